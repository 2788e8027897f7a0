//! What has to be right before a stream can run into this webhook. Nothing is posted to it.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::Precondition;

use super::client::Client;
use super::config::Settings;

/// Connects, and looks at the settings.
///
/// # Errors
/// When nobody is there.
pub(super) async fn examine(settings: &Arc<Settings>) -> Result<Vec<Precondition>, Fault> {
    Client::connect(Arc::clone(settings)).await?.ping().await?;
    let namespace = settings.address.namespace();
    let signed = settings.signer.is_some();
    let open = Precondition {
        name: "http_reachable".to_owned(),
        fine: true,
        optional: false,
        found: format!("{namespace} answers"),
        remedy: None,
    };
    let signature = Precondition {
        name: "http_signature".to_owned(),
        fine: signed,
        optional: true,
        found: if signed { "requests are signed" } else { "requests are not signed" }.to_owned(),
        remedy: (!signed).then(|| "set `secret`, and let the webhook check signatures".to_owned()),
    };
    let local = matches!(settings.address.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    let tls = settings.address.tls || local;
    let private = Precondition {
        name: "http_tls".to_owned(),
        fine: tls,
        optional: true,
        found: if tls { "nobody else can read the rows" } else { "rows go over in the clear" }
            .to_owned(),
        remedy: (!tls).then(|| format!("use `https://{}`", settings.address.authority())),
    };
    Ok(vec![open, signature, private])
}
