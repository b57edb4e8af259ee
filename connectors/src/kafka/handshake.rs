//! A closer look at a broker's certificate: the client library only says that it is refused.

use std::io::Write as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection};

use crate::tls::Files;

const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What is wrong with the certificate at an address for somebody who trusts these authorities, and
/// what to do; none if nothing is, or nobody answers.
pub fn look(address: &str, ca: Option<&Path>) -> Option<(String, &'static str)> {
    let files = Files { ca: Some(ca?), ..Files::default() };
    let trust = files.load(|path| std::fs::read_to_string(path)).ok()?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(trust.roots()?)
        .with_no_client_auth();
    let (host, _) = address.rsplit_once(':')?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
    let mut link = TcpStream::connect_timeout(&address.to_socket_addrs().ok()?.next()?, LOOK_LIMIT);
    let link = link.as_mut().ok()?;
    link.set_read_timeout(Some(LOOK_LIMIT)).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let met = rustls::Stream::new(&mut connection, link).flush().err()?;
    let met = met.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(why) = met else { return None };
    let told = why.to_string();
    let told = told.split(": verification time").next().unwrap_or(&told);
    Some((told.to_owned(), remedy(why)?))
}

fn remedy(why: &CertificateError) -> Option<&'static str> {
    let table: [(&'static str, &[&str]); 3] = [
        (ISSUER, &["UnknownIssuer", "BadSignature"]),
        (NAME, &["NotValidForName"]),
        (CLOCK, &["Expired", "NotValidYet"]),
    ];
    let word = format!("{why:?}");
    let known = |(_, signs): &&(&str, &[&str])| signs.iter().any(|sign| word.starts_with(sign));
    table.iter().find(known).map(|(hint, _)| *hint)
}

const ISSUER: &str = "set kafka.ca_file to the certificate of the authority that issued the \
                      brokers'";
const NAME: &str = "name the brokers in kafka.brokers, and where they advertise themselves, as \
                    their certificates do";
const CLOCK: &str = "renew the broker's certificate, and see that this machine's clock is right";
