//! Datasets by the naming convention of OpenLineage: a namespace and a name, never a credential.
//! <https://openlineage.io/docs/spec/naming>

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to a dataset.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct AssetRef {
    /// Where it is: `postgres://db:5432`, `kafka://broker:9092`, `file`.
    pub namespace: String,
    /// What it is called there: `shop.public.orders`, `orders.cdc`, `data/orders.parquet`.
    pub name: String,
}

impl AssetRef {
    /// A dataset from its two parts. Credentials (`user:password@`) and query strings in the
    /// namespace are cut off.
    #[must_use]
    pub fn new(namespace: impl AsRef<str>, name: impl Into<String>) -> Self {
        Self { namespace: without_credentials(namespace.as_ref()), name: name.into() }
    }

    /// A file, by its path as the manifest's author wrote it.
    #[must_use]
    pub fn file(path: impl Into<String>) -> Self {
        Self { namespace: "file".to_owned(), name: path.into() }
    }

    /// The one text that identifies it: `namespace/name` for URIs, `file:name` for files.
    #[must_use]
    pub fn id(&self) -> String {
        self.to_string()
    }

    /// Reads back what [`Self::id`] wrote.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        if let Some((scheme, rest)) = id.split_once("://") {
            let (authority, name) = rest.split_once('/')?;
            return Some(Self::new(format!("{scheme}://{authority}"), name));
        }
        let (namespace, name) = id.split_once(':')?;
        Some(Self::new(namespace, name))
    }
}

impl fmt::Display for AssetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.namespace.contains("://") { '/' } else { ':' };
        write!(f, "{}{between}{}", self.namespace, self.name)
    }
}

fn without_credentials(namespace: &str) -> String {
    let (scheme, rest) = match namespace.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, namespace),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_user, host)| host);
    match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_queries_never_stay() {
        let asset = AssetRef::new("postgres://me:pw@db:5432?sslmode=require", "shop.public.orders");
        assert_eq!(asset.id(), "postgres://db:5432/shop.public.orders");
    }

    #[test]
    fn an_id_reads_back() {
        for asset in [AssetRef::file("data/odd name\n\"é\".csv"), AssetRef::new("kafka://b:9", "t")]
        {
            assert_eq!(AssetRef::from_id(&asset.id()), Some(asset));
        }
    }
}
