//! Addresses as they may be told: without credentials.

/// The scheme, the hosts and the path of a URI, without user, password and options.
pub fn told(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let place = place.trim_end_matches('/');
    if scheme.is_empty() { place.to_owned() } else { format!("{scheme}://{place}") }
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn nothing_secret_is_told() {
        let table = [
            ("mongodb://a:1,b:2/?replicaSet=rs0", "mongodb://a:1,b:2"),
            ("mongodb://me:p%40ss@host/db?authSource=x", "mongodb://host/db"),
            ("redis://:p@ss@host:6379/3", "redis://host:6379/3"),
            ("mongodb://host/?tlsCertificateKeyFilePassword=x@y", "y"),
            ("host:1", "host:1"),
        ];
        for (uri, wanted) in table {
            assert!(told(uri).ends_with(wanted), "{uri} is told as {}", told(uri));
        }
    }
}
