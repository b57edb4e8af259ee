//! The address of a PostgreSQL database: what the driver knows of it, and how TLS is meant.

use std::path::PathBuf;

use readmill_engine::Fault;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::faults;

/// What libpq calls `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// `disable`: never.
    Never,
    /// `prefer`, and without a word: if the server offers it, whoever it may be.
    IfOffered,
    /// `require`: always; whoever it may be, unless authorities are named.
    Always,
    /// `verify-ca`: always, and the authority is one of those that are named.
    Authority,
    /// `verify-full`: the same, and the name is the server's.
    Name,
}

impl TlsMode {
    /// The driver's own three words for it.
    pub const fn driver(self) -> SslMode {
        match self {
            Self::Never => SslMode::Disable,
            Self::IfOffered => SslMode::Prefer,
            Self::Always | Self::Authority | Self::Name => SslMode::Require,
        }
    }
}

/// Whether a connection is under TLS, and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// Whether there is TLS.
    pub mode: TlsMode,
    /// The file of those to trust.
    pub root: Option<PathBuf>,
}

impl Protection {
    /// As `sslmode` and `sslrootcert` say.
    ///
    /// # Errors
    /// When `sslmode` is none, or wants authorities that are not named.
    pub fn of(mode: Option<&str>, root: Option<PathBuf>) -> Result<Self, Fault> {
        let mode = match mode {
            None | Some("prefer" | "allow") => TlsMode::IfOffered,
            Some("disable") => TlsMode::Never,
            Some("require") if root.is_some() => TlsMode::Authority,
            Some("require") => TlsMode::Always,
            Some("verify-ca") => TlsMode::Authority,
            Some("verify-full") => TlsMode::Name,
            Some(other) => return Err(faults::refused(format!("no sslmode {other:?}"), MODES)),
        };
        if mode >= TlsMode::Authority && root.is_none() {
            return Err(faults::refused("nobody is named whom to trust".to_owned(), ROOT));
        }
        Ok(Self { mode, root })
    }
}

/// An address in its parts.
#[derive(Debug)]
pub struct Address {
    /// What the driver is told.
    pub driver: Config,
    /// Whether there is TLS.
    pub protection: Protection,
}

impl Address {
    /// Takes an address apart: a URL, or pairs of `name=value`.
    ///
    /// # Errors
    /// When it is none, or its `sslmode` is none or wants authorities that are not named.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (mut mode, mut root) = (None, None);
        let mut keep = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "sslmode" => mode = Some(value.to_owned()),
                "sslrootcert" => root = Some(decoded(value)),
                _ => return true,
            }
            false
        };
        let driver = if text.contains("://") {
            let (base, query) = text.split_once('?').unwrap_or((text, ""));
            let left: Vec<&str> =
                query.split('&').filter(|pair| !pair.is_empty() && keep(pair)).collect();
            if left.is_empty() { base.to_owned() } else { format!("{base}?{}", left.join("&")) }
        } else {
            let left: Vec<&str> = text.split_whitespace().filter(|pair| keep(pair)).collect();
            left.join(" ")
        };
        let protection = Protection::of(mode.as_deref(), root.map(PathBuf::from))?;
        let mut driver: Config = driver.parse().map_err(|error| faults::fault(&error))?;
        driver.ssl_mode(protection.mode.driver());
        Ok(Self { driver, protection })
    }
}

/// A value of a URL without its escapes.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| byte == b'%').and_then(|two| {
            u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok().map(|byte| (byte, 2))
        });
        let (byte, used) = escape.unwrap_or((byte, 0));
        bytes.push(byte);
        rest = after.get(used..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const MODES: &str = "set sslmode to disable, prefer, require, verify-ca or verify-full";
const ROOT: &str =
    "add sslrootcert=FILE: the certificate of the authority that issued the server's";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_tls_are_those_of_other_clients() {
        let table = [
            ("postgresql://me:pw@h/d", Ok((TlsMode::IfOffered, None))),
            ("postgresql://h/d?application_name=x&sslmode=disable", Ok((TlsMode::Never, None))),
            (
                "postgresql://h/d?sslmode=verify-full&sslrootcert=/a%20b.pem",
                Ok((TlsMode::Name, Some("/a b.pem"))),
            ),
            (
                "host=h sslmode=require sslrootcert=/ca.pem",
                Ok((TlsMode::Authority, Some("/ca.pem"))),
            ),
            ("host=h sslmode=require", Ok((TlsMode::Always, None))),
            ("postgresql://h/d?sslmode=verify-full", Err("sslrootcert")),
            ("postgresql://h/d?sslmode=on", Err("verify-ca")),
        ];
        for (text, wanted) in table {
            match (Address::parse(text), wanted) {
                (Ok(found), Ok((mode, root))) => {
                    let root = root.map(PathBuf::from);
                    assert_eq!(found.protection, Protection { mode, root }, "{text}");
                    assert_eq!(found.driver.get_ssl_mode(), mode.driver(), "{text}");
                }
                (Err(fault), Err(word)) => assert!(fault.to_string().contains(word), "{fault}"),
                (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
            }
        }
    }
}
