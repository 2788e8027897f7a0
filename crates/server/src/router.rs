//! Every route, and the layers around them in their order: name and watch the request, keep a crowd
//! out, bound its body, bound its time, let its caller in.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::api::{
    assets, commands, feed, info, ingest, letters, lineage, overview, pipelines, runs, session,
    slo, stream, streams,
};
use crate::problem::Problem;
use crate::service::Service;
use crate::{dashboard, guard, health, insights, metrics, observe, openapi};

/// The whole service.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    let routes = Router::new()
        .nest("/api/v1", api())
        .route("/api/insights", get(insights::insights))
        .route("/api/openapi.json", get(openapi::show))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/startup", get(health::startup))
        .route("/metrics", get(metrics::metrics))
        .route("/assets-static/{*file}", get(dashboard::asset))
        .merge(pages())
        .fallback(dashboard::fallback)
        .with_state(Arc::clone(service));
    service.watch(routes)
}

/// The layers around any routes.
pub(crate) fn watch(service: &Arc<Service>, routes: Router) -> Router {
    let layer = || Arc::clone(service);
    routes
        .method_not_allowed_fallback(|| async {
            Problem::of_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(from_fn_with_state(layer(), guard::enter))
        .layer(from_fn_with_state(layer(), guard::timeout))
        .layer(from_fn_with_state(layer(), guard::body_limit))
        .layer(from_fn_with_state(layer(), guard::crowd))
        .layer(from_fn_with_state(layer(), observe::observe))
}

fn api() -> Router<Arc<Service>> {
    Router::new()
        .route("/info", get(info::info))
        .route("/overview", get(overview::overview))
        .route("/session", post(session::open))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/report", get(runs::report))
        .route("/runs/{id}/events", get(runs::events))
        .route("/runs/{id}/logs", get(runs::logs))
        .route("/runs/{id}/stream", get(stream::stream))
        .route("/feed", get(feed::feed))
        .route("/pipelines", get(pipelines::list).post(commands::create))
        .route(
            "/pipelines/{p}",
            get(pipelines::show).patch(commands::patch).delete(commands::delete),
        )
        .route("/pipelines/{p}/checkpoints", get(streams::checkpoints))
        .route("/pipelines/{p}/ledger", get(streams::ledger))
        .route("/pipelines/{p}/schemas", get(streams::schemas))
        .route("/pipelines/{p}/dlq", get(letters::list))
        .route("/pipelines/{p}/dlq/{verb}", post(letters::deal))
        .route("/pipelines/{p}/{verb}", post(commands::command))
        .route("/assets", get(assets::list))
        .route("/assets/graph", get(assets::graph))
        .route("/slo", get(slo::list))
        .route("/events", post(ingest::events))
        .route("/lineage", post(lineage::lineage))
        .route("/insights", get(insights::insights))
}

/// The dashboard's own paths, by name, so that each has its figures; any other shows it too.
fn pages() -> Router<Arc<Service>> {
    let mut router = Router::new();
    for path in ["/", "/runs", "/runs/{id}", "/pipelines", "/pipelines/{p}", "/assets", "/alerts"] {
        router = router.route(path, get(dashboard::page));
    }
    router
}
