//! TLS: the server proves who it is, demands it of others where that is said, and takes over new
//! certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use readmill_connectors::instance::{Instance, InstanceConfig};
use readmill_engine::Fault;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::world::{World, locked};

const TOKEN: &str = "reads-reads-reads-1";
const SETTINGS: &str = "read_tokens = [\"reads-reads-reads-1\"]\n\
                        certificate_file = \"$DIR/server.pem\"\nkey_file = \"$DIR/server.key\"";

/// An authority, whose certificate is written down.
fn authority(dir: &TempDir, name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.path().join(name), issuer.pem()).unwrap();
    issuer
}

/// A certificate for this machine and its key, in two files.
fn issue(dir: &Path, name: &str, issuer: &CertifiedIssuer<'static, KeyPair>) {
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

async fn ask(world: &World, ca: &str, token: Option<&str>) -> Result<u16, Fault> {
    let url = format!("https://{}", world.address);
    let ca_file = Some(world.dir.path().join(ca));
    let config = InstanceConfig { url, token: token.map(str::to_owned), ca_file };
    Instance::new(&config)?.get(&["models"], &[]).await.map(|answer| answer.status)
}

#[tokio::test]
async fn a_certificate_is_shown_and_a_new_one_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (authority(&dir, "first.pem"), authority(&dir, "second.pem"));
    issue(dir.path(), "server", &first);
    let world = locked(dir, SETTINGS).await;
    assert_eq!(ask(&world, "first.pem", Some(TOKEN)).await.unwrap(), 200);
    assert_eq!(ask(&world, "first.pem", None).await.unwrap(), 401);
    let fault = ask(&world, "second.pem", Some(TOKEN)).await.unwrap_err();
    assert!(fault.to_string().contains("certificate"), "{fault}");
    // What is not TLS is not answered.
    assert!(!world.get_bytes().await.starts_with(b"HTTP/"));
    // A key that is not the certificate's changes nothing.
    std::fs::write(world.dir.path().join("server.key"), "nothing").unwrap();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(ask(&world, "first.pem", Some(TOKEN)).await.unwrap(), 200);
    issue(world.dir.path(), "server", &second);
    let until = Instant::now() + Duration::from_secs(20);
    while ask(&world, "second.pem", Some(TOKEN)).await.is_err() {
        assert!(Instant::now() < until, "the new certificate is not shown");
        sleep(Duration::from_millis(500)).await;
    }
    assert!(ask(&world, "first.pem", Some(TOKEN)).await.is_err());
}

#[tokio::test]
async fn a_certificate_is_demanded_where_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let ours = authority(&dir, "ours.pem");
    issue(dir.path(), "server", &ours);
    let settings = format!("{SETTINGS}\nclient_ca_file = \"$DIR/ours.pem\"");
    let world = locked(dir, &settings).await;
    issue(world.dir.path(), "client", &ours);
    assert!(shown(&world, "client").await.starts_with("HTTP/1.1 200"));
    // One of an authority that nobody has named, and none.
    let other = authority(&world.dir, "other.pem");
    issue(world.dir.path(), "stranger", &other);
    assert_eq!(shown(&world, "stranger").await, "");
    let fault = ask(&world, "ours.pem", Some(TOKEN)).await.unwrap_err();
    assert!(!fault.to_string().contains(TOKEN), "{fault}");
}

/// The answer to whoever shows this certificate; empty if none comes.
async fn shown(world: &World, name: &str) -> String {
    let at = |name: String| world.dir.path().join(name);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(at("ours.pem".to_owned())).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(at(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(at(format!("{name}.key"))).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let server = ServerName::try_from("127.0.0.1").unwrap();
    let mut answer = String::new();
    if let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(server, stream).await {
        let request = format!(
            "GET /models HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer \
             {TOKEN}\r\n\r\n"
        );
        // A stranger learns only after the handshake that it has failed.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_string(&mut answer).await;
    }
    answer
}
