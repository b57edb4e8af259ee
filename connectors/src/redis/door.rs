//! How a node is connected to: addresses, credentials, certificates, limits.

use readmill_engine::Fault;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};

use super::config::{Mode, RedisConfig};
use super::faults::{ADDRESS, refused};
use super::slots::Node;
use crate::renewed::Renewed;
use crate::tls;

/// The nodes that an address names, each with how it is met.
type Seeds = Vec<(Node, ConnectionInfo)>;

/// The way to any node of one configuration.
pub struct Door {
    seeds: Seeds,
    renewed: Renewed,
    config: RedisConfig,
    certificates: Option<TlsCertificates>,
    limits: AsyncConnectionConfig,
}

impl Door {
    /// Reads the address and the files of a configuration.
    pub fn new(config: &RedisConfig) -> Result<Self, Fault> {
        if let Some((setting, what)) = config.unfit() {
            return Err(refused(format!("`{setting}` {what}"), ADDRESS));
        }
        let seeds = seeds_of(config, &config.uri)?;
        let renewed = Renewed::new(&config.written, "uri", &config.uri);
        let certificates = certificates(config)?;
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_limit()))
            .set_response_timeout(Some(config.response_limit()));
        Ok(Self { seeds, renewed, config: config.clone(), certificates, limits })
    }

    /// The nodes that the configuration names.
    pub fn seeds(&self) -> Vec<Node> {
        self.seeds.iter().map(|(node, _)| Node::clone(node)).collect()
    }

    /// Whether the way there is by TLS.
    pub fn is_secured(&self) -> bool {
        let tls = |(_, info): &(Node, ConnectionInfo)| {
            matches!(info.addr(), ConnectionAddr::TcpTls { .. })
        };
        self.seeds.iter().any(tls)
    }

    /// Connects to a node that has documents, with the password that its file has now, or else with
    /// the one that was good before.
    pub async fn open(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        let mut refused = None;
        for uri in self.renewed.candidates() {
            let Ok(seeds) = seeds_of(&self.config, &uri) else { continue };
            match self.connect(info(&seeds, node)?).await {
                Ok(connection) => {
                    self.renewed.was_good(&uri);
                    return Ok(connection);
                }
                Err(error) if is_about_secrets(&error) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(unusable))
    }

    /// What a refusal means: another password may be good in a while.
    pub fn pardon(&self, error: &RedisError, fault: Fault) -> Fault {
        if is_about_secrets(error) { self.renewed.pardon(fault) } else { fault }
    }

    /// Connects to a sentinel.
    pub async fn open_sentinel(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        let mut who = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(username) = &self.config.sentinel_username {
            who = who.set_username(username);
        }
        if let Some(password) = &self.config.sentinel_password {
            who = who.set_password(self.config.written.now("sentinel_password", password));
        }
        let info = info(&self.seeds, node)?.set_redis_settings(who);
        self.connect(info).await
    }

    async fn connect(&self, info: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let client = match (&self.certificates, info.addr()) {
            (Some(certificates), ConnectionAddr::TcpTls { .. }) => {
                Client::build_with_tls(info, certificates.clone())?
            }
            (Some(_) | None, _) => Client::open(info)?,
        };
        client.get_multiplexed_async_connection_with_config(&self.limits).await
    }
}

/// A node that was not named is met like the first one that was.
fn info(seeds: &Seeds, node: &Node) -> RedisResult<ConnectionInfo> {
    let named = seeds.iter().find(|(seed, _)| seed == node);
    if let Some((_, info)) = named {
        return Ok(info.clone());
    }
    let (_, first) = seeds.first().ok_or_else(unusable)?;
    let (host, port) = node.rsplit_once(':').ok_or_else(unusable)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = port.parse().map_err(|_| unusable())?;
    let address = if let ConnectionAddr::TcpTls { insecure, .. } = first.addr() {
        ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    Ok(first.clone().set_addr(address))
}

fn unusable() -> RedisError {
    (ErrorKind::InvalidClientConfig, "not a usable address").into()
}

/// Whether a server does not let us in as whom we come.
fn is_about_secrets(error: &RedisError) -> bool {
    let codes = [Some("NOAUTH"), Some("WRONGPASS")];
    error.kind() == ErrorKind::AuthenticationFailed || codes.contains(&error.code())
}

/// The nodes of an address.
fn seeds_of(config: &RedisConfig, uri: &str) -> Result<Seeds, Fault> {
    let mut seeds = Vec::new();
    for uri in uris(uri) {
        let info = uri.as_str().into_connection_info();
        let info = info.map_err(|_| refused("the address cannot be read", ADDRESS))?;
        let quiet = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.set_redis_settings(quiet);
        let node = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => return Err(refused("the address is of a kind that is not known", ADDRESS)),
        };
        if config.mode == Mode::Cluster && info.redis_settings().db() != 0 {
            return Err(refused("a cluster has no databases but 0", ADDRESS));
        }
        seeds.push((Node::from(node), info));
    }
    Ok(seeds)
}

/// The addresses in one that names several hosts after commas.
fn uris(uri: &str) -> Vec<String> {
    let Some((scheme, rest)) = uri.split_once("://") else { return vec![uri.to_owned()] };
    if scheme.contains("unix") {
        return vec![uri.to_owned()];
    }
    let (who, rest) = rest.rsplit_once('@').map_or(("", rest), |(who, rest)| (who, rest));
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (hosts, path) = rest.split_at(at);
    let sign = if who.is_empty() { "" } else { "@" };
    hosts.split(',').map(|host| format!("{scheme}://{who}{sign}{}{path}", host.trim())).collect()
}

/// The certificates, checked before any of them is shown to anybody.
fn certificates(config: &RedisConfig) -> Result<Option<TlsCertificates>, Fault> {
    if config.uri.starts_with("rediss://") {
        tls::install();
    }
    if !config.files().any() {
        return Ok(None);
    }
    let read = |path: &std::path::Path| std::fs::read_to_string(path);
    config.files().load(read).map_err(|unfit| {
        let unfit: Vec<String> =
            unfit.iter().map(|unfit| format!("{}: {}", unfit.setting, unfit.what)).collect();
        refused(unfit.join("; "), "look at the files that [redis] names")
    })?;
    let bytes = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map(std::fs::read).transpose().map_err(|error| {
            refused(format!("a file cannot be read: {}", error.kind()), "look at [redis]")
        })
    };
    let client = bytes(&config.client_cert_file)?.zip(bytes(&config.client_key_file)?);
    let client_tls =
        client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    Ok(Some(TlsCertificates { client_tls, root_cert: bytes(&config.ca_file)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_several() {
        let table: [(&str, &[&str]); 5] = [
            ("redis://h", &["redis://h"]),
            ("redis://a:1,b:2", &["redis://a:1", "redis://b:2"]),
            (
                "rediss://me:p%2Cw@a, b/0?x=1",
                &["rediss://me:p%2Cw@a/0?x=1", "rediss://me:p%2Cw@b/0?x=1"],
            ),
            ("unix:///a,b", &["unix:///a,b"]),
            ("h", &["h"]),
        ];
        for (uri, wanted) in table {
            assert_eq!(uris(uri), wanted, "{uri}");
        }
    }

    #[test]
    fn nodes_that_are_found_are_met_like_those_that_are_named() {
        let mut config = RedisConfig::at("redis://me:secret@a:1,b:2");
        config.mode = Mode::Cluster;
        let door = Door::new(&config).unwrap();
        assert_eq!(door.seeds(), ["a:1".into(), "b:2".into()] as [Node; 2]);
        let found = info(&door.seeds, &Node::from("[::1]:7")).unwrap();
        assert_eq!(found.addr(), &ConnectionAddr::Tcp("::1".to_owned(), 7));
        assert_eq!(found.redis_settings().username(), Some("me"));
        config.uri += "/3";
        assert!(Door::new(&config).is_err());
    }
}
