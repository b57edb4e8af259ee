//! Meeting the registry over TLS: who is trusted, who is refused, and what to do about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::SchemaId;
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;

use super::stub::{Answer, Stub};
use super::{RegistryBook, RegistryConfig};

/// An authority with its files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

/// A certificate and its key.
struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, dir: tempfile::tempdir().unwrap() }
    }

    fn issue(&self, name: &str, years: (i32, i32)) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    fn good(&self) -> Pair {
        self.issue("localhost", (2000, 2100))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn ca_file(&self) -> PathBuf {
        self.file("ca.pem", &self.issuer.pem())
    }

    /// A registry with this certificate, that may demand one of its clients.
    async fn registry(&self, pair: &Pair, demanding: bool) -> Stub {
        crate::tls::install();
        let builder = rustls::ServerConfig::builder();
        let builder = if demanding {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(pair.key.serialize_der()).unwrap();
        let chain = vec![pair.certificate.der().clone()];
        let body = r#"{"schema":"{\"type\":\"record\",\"name\":\"A\",\"fields\":[]}"}"#;
        let answer = Answer::Say(200, body.to_owned());
        Stub::tls(answer, builder.with_single_cert(chain, key).unwrap()).await
    }
}

fn trusting(stub: &Stub, ca: &Path) -> RegistryConfig {
    RegistryConfig { ca_file: Some(ca.to_owned()), ..RegistryConfig::at(&stub.url) }
}

/// What both the check at start and a record's question meet.
async fn met(config: &RegistryConfig) -> Result<(), Fault> {
    let book = RegistryBook::new(config)?;
    let asked = book.schema(SchemaId(7)).await.map(drop);
    let started = book.check().await;
    match (&asked, &started) {
        (Err(Fault::Refused { hint, .. }), Err(Fault::Refused { hint: other, .. })) => {
            assert_eq!(hint, other);
        }
        // The stub's answer is a schema, which is not what a start asks for.
        (Ok(()), Err(error)) => assert!(error.to_string().contains("not as a schema"), "{error}"),
        (asked, started) => panic!("{asked:?} {started:?}"),
    }
    asked
}

#[track_caller]
fn refused(met: Result<(), Fault>, wanted: &str) {
    let fault = met.unwrap_err();
    assert!(matches!(fault, Fault::Refused { .. }), "{fault:?}");
    assert!(fault.to_string().contains(wanted), "{fault}");
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_no_other() {
    let ours = Authority::new("ours");
    let stub = ours.registry(&ours.good(), false).await;
    met(&trusting(&stub, &ours.ca_file())).await.unwrap();
    let asked = stub.asked();
    for theirs in ["theirs", "ours"].map(Authority::new) {
        refused(met(&trusting(&stub, &theirs.ca_file())).await, "set `ca_file` under [registry]");
    }
    refused(met(&RegistryConfig::at(&stub.url)).await, "set `ca_file` under [registry]");
    assert_eq!(stub.asked(), asked, "nothing is asked of whom we do not trust");
}

#[tokio::test]
async fn a_certificate_that_is_expired_early_or_of_another_is_refused() {
    let ours = Authority::new("ours");
    let table = [
        ("localhost", (2000, 2001), "renew the registry's certificate"),
        ("localhost", (2099, 2100), "renew the registry's certificate"),
        ("elsewhere", (2000, 2100), "put a name into `urls`"),
    ];
    for (name, years, hint) in table {
        let stub = ours.registry(&ours.issue(name, years), false).await;
        refused(met(&trusting(&stub, &ours.ca_file())).await, hint);
    }
}

#[tokio::test]
async fn a_registry_may_demand_a_certificate() {
    let ours = Authority::new("ours");
    let stub = ours.registry(&ours.good(), true).await;
    let plain = trusting(&stub, &ours.ca_file());
    let showing = |of: &Authority| {
        let pair = of.good();
        RegistryConfig {
            client_cert_file: Some(of.file("client.pem", &pair.certificate.pem())),
            client_key_file: Some(of.file("client.key", &pair.key.serialize_pem())),
            ..plain.clone()
        }
    };
    met(&showing(&ours)).await.unwrap();
    refused(met(&plain).await, "set `client_cert_file`");
    for theirs in ["theirs", "ours"].map(Authority::new) {
        refused(met(&showing(&theirs)).await, "set `client_cert_file`");
    }
}

#[tokio::test]
async fn credentials_go_over_tls() {
    let ours = Authority::new("ours");
    let stub = ours.registry(&ours.good(), false).await;
    let anonymous = trusting(&stub, &ours.ca_file());
    let user = RegistryConfig {
        username: Some("me".to_owned()),
        password: Some("pw".to_owned()),
        ..anonymous.clone()
    };
    let bearer = RegistryConfig { token: Some("t0ken".to_owned()), ..anonymous.clone() };
    let table = [(anonymous, None), (user, Some("Basic bWU6cHc=")), (bearer, Some("Bearer t0ken"))];
    for (config, wanted) in table {
        let before = stub.asked();
        met(&config).await.unwrap();
        for request in &stub.requests()[before..] {
            let sent = request.lines().find_map(|line| line.strip_prefix("authorization: "));
            assert_eq!(sent, wanted);
        }
        assert_eq!(stub.asked(), before + 2);
        assert!(!format!("{config:?}").contains("t0ken"));
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.good(), ours.good());
    let ca = ours.issuer.pem();
    let (cert, key) = (one.certificate.pem(), one.key.serialize_pem());
    let locked = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let torn = ca.replace("-----END", "!!-----END");
    // Of the authority, the certificate and the key, what is in their files and what is said.
    type Texts<'a> = [Option<&'a str>; 3];
    let table: [(Texts<'_>, Option<(&str, &str)>); 11] = [
        ([Some(&ca), Some(&cert), Some(&key)], None),
        ([Some(&key), None, None], Some(("ca_file", "holds no certificate"))),
        ([Some(""), None, None], Some(("ca_file", "holds no certificate"))),
        ([Some(&torn), None, None], Some(("ca_file", "is damaged or no PEM file"))),
        ([Some("?"), None, None], Some(("ca_file", "cannot be read: entity not found"))),
        ([None, Some(&key), Some(&key)], Some(("client_cert_file", "holds no certificate"))),
        ([None, Some(&cert), None], Some(("client_cert_file", "`client_key_file` is missing"))),
        ([None, None, Some(&key)], Some(("client_key_file", "`client_cert_file` is missing"))),
        ([None, Some(&cert), Some(&cert)], Some(("client_key_file", "holds no private key"))),
        ([None, Some(&cert), Some(&locked)], Some(("client_key_file", "without a passphrase"))),
        (
            [None, Some(&other.certificate.pem()), Some(&key)],
            Some(("client_key_file", "is not the key of the certificate")),
        ),
    ];
    for (texts, wanted) in table {
        let [ca, client_cert, client_key] = texts.map(|text| text.map(Path::new));
        let files = crate::tls::Files { ca, client_cert, client_key };
        // A file whose name is its text, so that the table shows both.
        let read = |path: &Path| match path.to_str().unwrap() {
            "?" => Err(std::io::ErrorKind::NotFound.into()),
            text => Ok(text.to_owned()),
        };
        let told = files.load(read).err().unwrap_or_default();
        let told: Vec<_> = told.iter().map(|unfit| (unfit.setting, unfit.what.as_str())).collect();
        match (told.as_slice(), wanted) {
            ([], None) => {}
            ([(setting, what)], Some((wanted, words))) => {
                assert_eq!(*setting, wanted);
                assert!(what.contains(words), "{what}");
            }
            (told, wanted) => panic!("{told:?} instead of {wanted:?}"),
        }
    }
}

#[test]
fn a_file_that_is_missing_is_refused_before_anything_is_asked() {
    let config = RegistryConfig {
        ca_file: Some(PathBuf::from("/nowhere/ca.pem")),
        ..RegistryConfig::at("https://localhost:1")
    };
    let fault = RegistryBook::new(&config).unwrap_err().to_string();
    assert!(fault.contains("`ca_file`: /nowhere/ca.pem cannot be read"), "{fault}");
}
