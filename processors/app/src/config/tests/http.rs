//! `[http]`: which addresses, tokens and certificates are taken, and that no token is ever told.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::super::*;
use crate::http::Role;

const MODEL: &str = "[source]\nkind = \"archive\"\narchive_dir = \"a\"\n[embedded]\n\
                     directory = \"d\"\n[models.points]\ntopics = [\"t\"]\nstore = \"embedded\"\n";
const TOKEN: &str = "s3cret-s3cret-s3cret";

/// Files with tokens, and a certificate with its key.
struct Files {
    certificate: String,
    key: String,
}

impl Files {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Elsewhere for Files {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "TOKEN").then(|| TOKEN.to_owned())
    }

    fn file(&self, path: &Path) -> std::io::Result<String> {
        match path.to_str() {
            Some("token") => Ok(format!("{TOKEN}\n")),
            Some("two") => Ok(format!("# old, then new\n{TOKEN}\n{TOKEN}-2\n")),
            Some("short") => Ok("s3cret\n".to_owned()),
            Some("empty") => Ok("\n".to_owned()),
            Some("cert") => Ok(self.certificate.clone()),
            Some("key") => Ok(self.key.clone()),
            Some("other") => Ok(KeyPair::generate().unwrap().serialize_pem()),
            Some(_) | None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

fn parse(http: &str) -> Result<Config, Vec<String>> {
    let config = Config::parse("f", &format!("{http}\n{MODEL}"), &Files::new());
    config.map_err(|mistakes| mistakes.lines().collect())
}

#[test]
fn an_address_of_a_network_needs_tokens_and_tls() {
    let (tls, plain) = ("certificate_file = \"cert\"\nkey_file = \"key\"", "plain_text = true");
    let token = "operate_token_file = \"token\"";
    let table: [(&str, &[&str], &[&str]); 11] = [
        // address, further settings, parts of the mistakes
        ("127.0.0.1:9464", &[], &[]),
        ("[::1]:0", &[token], &[]),
        ("127.0.0.1:9464", &[tls], &[]),
        ("0.0.0.0:9464", &[token, tls], &[]),
        ("0.0.0.0:9464", &[token, plain], &[]),
        ("[::]:9464", &["read_tokens = [\"${env:TOKEN}\"]", tls], &[]),
        ("0.0.0.0:9464", &[tls], &["would be open to the network; set `operate_token_file`"]),
        ("10.0.0.1:80", &[token], &["sent over the network as plain text"]),
        ("0.0.0.0:9464", &[], &["would be open to the network", "as plain text"]),
        ("127.0.0.1:9464", &[tls, plain], &["leave one of them out"]),
        ("nowhere", &[], &["must be an IP address and a port"]),
    ];
    for (listen, more, wanted) in table {
        let text = format!("[http]\nlisten = \"{listen}\"\n{}", more.join("\n"));
        let told = parse(&text).err().unwrap_or_default();
        assert_eq!(told.len(), wanted.len(), "{text}\n{told:?}");
        for (told, wanted) in told.iter().zip(wanted) {
            assert!(told.starts_with("f:") && told.contains(wanted), "{text}\n{told}");
        }
    }
}

#[test]
fn tokens_and_certificates_are_judged_and_never_told() {
    let table = [
        ("read_tokens = [\"s3cret\"]", "http.read_tokens: has a token of fewer than 16"),
        ("read_tokens = \"s3cret-s3cret-s3cret\"", "http.read_tokens: a string stands here"),
        ("read_tokens = [\"${env:NO}\"]", "the environment variable NO is not set"),
        ("operate_tokens = [\"s3cret s3cret s3cret\"]", "with other characters than letters"),
        ("operate_token_file = \"short\"", "short has a token of fewer than 16"),
        ("operate_token_file = \"empty\"", "empty has no token"),
        ("read_token_file = \"no\"", "http.read_token_file: no cannot be read"),
        ("certificate_file = \"cert\"", "`key_file` is missing"),
        ("key_file = \"key\"", "`certificate_file` is missing"),
        ("client_ca_file = \"cert\"", "`certificate_file` is missing"),
        ("certificate_file = \"cert\"\nkey_file = \"other\"", "is not the key of the certificate"),
        ("certificate_file = \"token\"\nkey_file = \"key\"", "token holds no certificate"),
        ("certificate_file = \"cert\"\nkey_file = \"token\"", "token holds no private key"),
        ("limit_connections = 0", "is out of range"),
        ("limit_body_kib = 0", "a limit of 0 would stop everything"),
        ("operate_token = \"x\"", "did you mean \"operate_tokens\"?"),
    ];
    for (text, wanted) in table {
        let told = parse(&format!("[http]\n{text}")).err().unwrap_or_default();
        assert_eq!(told.len(), 1, "{text}\n{told:?}");
        assert!(told[0].contains(wanted), "{text}\n{}", told[0]);
        assert!(!told[0].contains("s3cret"), "{}", told[0]);
    }
    let given = "[http]\nread_tokens = [\"s3cret-s3cret-s3cret\", \"${env:TOKEN}-3\"]\n\
                 read_token_file = \"two\"\noperate_token_file = \"token\"";
    let config = parse(given).unwrap();
    assert_eq!(config.http.tokens.given.count(Role::Read), 2);
    let shown = format!("{config:?}{}", crate::check::explain(&config));
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn the_address_may_stand_under_its_older_name() {
    let config = parse("[instance]\nhttp_listen = \"127.0.0.1:1\"").unwrap();
    assert_eq!(config.http.listen.port(), 1);
    let older = "[instance]\nhttp_listen = \"0.0.0.0:1\"\n[http]\nplain_text = true\n";
    let config = parse(&format!("{older}read_token_file = \"token\"")).unwrap();
    assert_eq!(config.http.listen.port(), 1);
    let told = parse(older).unwrap_err();
    assert!(told[0].contains("would be open to the network"), "{told:?}");
    let both = "[instance]\nhttp_listen = \"127.0.0.1:1\"\n[http]\nlisten = \"127.0.0.1:2\"";
    let told = parse(both).unwrap_err();
    assert!(told[0].starts_with("f:2: instance.http_listen: is the older name"), "{told:?}");
    assert_eq!(parse("").unwrap().http.listen.port(), 9464);
}
