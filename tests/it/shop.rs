//! A service's own database in PostgreSQL, and the connector that captures it.

use std::process::{Command, Stdio};

use crate::paths::{root, stack};
use crate::real::Corner;

/// A database of its own, with a connector.
pub struct Shop {
    /// The name of the database, of the connector, and of its topics' prefix.
    pub name: String,
    /// How the service connects.
    pub url: String,
}

impl Shop {
    /// Makes a database with these tables.
    pub fn open(corner: &Corner, ddl: &str) -> Self {
        let name = corner.name.clone();
        let admin = stack("POSTGRES_ADMIN_URL");
        psql(&admin, &format!("create database {name} owner app"));
        let url = |address: String| address.replace("/shop", &format!("/{name}"));
        let shop = Self { url: url(stack("POSTGRES_URL")), name: name.clone() };
        psql(&url(admin), "grant all on schema public to app");
        shop.sql(ddl);
        shop
    }

    /// Runs statements as the service does, each a transaction of its own.
    pub fn sql(&self, statements: &str) {
        psql(&self.url, statements);
    }

    /// A client of the database.
    pub async fn client(&self) -> tokio_postgres::Client {
        let config: tokio_postgres::Config = self.url.parse().unwrap();
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        // It ends when the client is dropped.
        drop(tokio::spawn(connection));
        client
    }

    /// Applies one of the project's own connector definitions to this database.
    pub fn connect(&self, definition: &str) {
        self.connect_with(definition, &[]);
    }

    /// The same, with more of its settings.
    pub fn connect_with(&self, definition: &str, settings: &[&str]) {
        let name = &self.name;
        let own = [
            "connector",
            "apply",
            &format!("connectors/debezium/postgres/{definition}"),
            &format!("NAME={name}"),
            &format!("DATABASE={name}"),
            &format!("TOPIC_PREFIX={name}"),
            &format!("SLOT={name}"),
        ];
        self.stack(&[&own[..], settings].concat());
    }

    /// Forgets the connector, with its offsets and its slot.
    pub fn forget_connector(&self) {
        self.stack(&["connector", "delete", &self.name]);
    }

    fn stack(&self, args: &[&str]) {
        let done = Command::new(root().join("compose/stack"))
            .args(args)
            .current_dir(root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: compose/stack {args:?}: {said}", self.name);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let deleted = Command::new(root().join("compose/stack"))
            .args(["connector", "delete", &self.name])
            .output();
        if let Ok(deleted) = deleted
            && !deleted.status.success()
        {
            eprintln!("{}", String::from_utf8_lossy(&deleted.stderr));
        }
    }
}

/// Runs statements at an address.
pub fn psql(url: &str, statements: &str) {
    use std::io::Write as _;
    let mut psql = Command::new("psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let done = psql.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
