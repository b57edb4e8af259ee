//! Redis servers that belong to one test: killed, frozen, filled and promoted at will.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::mill::{free_port, wait};

/// How long a server may take to be what a test waits for.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A server with a directory and a port of its own. It goes when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    dir: TempDir,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts a server with some more settings.
    pub fn start(settings: &[&str]) -> Self {
        let mut server = Self::stopped(settings);
        server.revive();
        server
    }

    /// A server that does not run yet.
    pub fn stopped(settings: &[&str]) -> Self {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { port: free_port(), dir: tempfile::tempdir().unwrap(), settings, child: None }
    }

    /// A sentinel that watches a server under the name `docs`, with a quorum of one.
    pub fn sentinel(watched: u16) -> Self {
        let mut sentinel = Self::stopped(&["--sentinel"]);
        let file = sentinel.dir.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor docs 127.0.0.1 {watched} 1\n\
             sentinel down-after-milliseconds docs 400\n\
             sentinel failover-timeout docs 2000\n"
        );
        std::fs::write(&file, text).unwrap();
        sentinel.settings.insert(0, file.display().to_string());
        sentinel.revive();
        sentinel
    }

    /// Gives it more settings, before it starts.
    pub fn set(&mut self, settings: impl IntoIterator<Item = String>) {
        self.settings.extend(settings);
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address.
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it again, on what it has on disk.
    pub fn revive(&mut self) {
        let sentinel = self.settings.iter().any(|setting| setting == "--sentinel");
        let mut command = Command::new("redis-server");
        command.args(self.settings.iter().filter(|_| sentinel));
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(self.dir());
        if !self.settings.iter().any(|setting| setting == "--tls-port") {
            command.args(["--port", &self.port.to_string()]);
        }
        command.args(["--daemonize", "no", "--logfile"]).arg(self.dir().join("log"));
        if !sentinel {
            command.args(["--save", "", "--repl-diskless-sync-delay", "0"]);
            command.args(&self.settings);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server is not installed: make up"));
        let port = self.port;
        wait(LIMIT, "redis to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        if !self.settings.iter().any(|setting| setting == "--tls-port") {
            wait(LIMIT, "redis to answer", || !self.ask(&["PING"]).starts_with("-LOADING"));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Asks it something; answers what it says, a line for each part.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        self.try_ask(words).unwrap()
    }

    /// The same, of one that may not answer.
    pub fn try_ask(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(text.as_bytes())?;
        let mut lines = Vec::new();
        read(&mut BufReader::new(stream), &mut lines)?;
        Ok(lines.join("\n"))
    }

    /// What `INFO` says of a name.
    pub fn info(&self, name: &str) -> String {
        let info = self.try_ask(&["INFO", "everything"]).unwrap_or_default();
        let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }

    /// Follows another server, and has what it has.
    pub fn follow(&self, primary: &Self) {
        self.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
        wait(LIMIT, "the replica to be in step", || {
            self.info("master_link_status") == "up"
                && self.info("slave_repl_offset") == primary.info("master_repl_offset")
                && primary.info("slave0").contains("state=online")
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(15).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            println!("redis at {}:\n{}", self.port, lines.join("\n"));
        }
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read(from: &mut impl BufRead, lines: &mut Vec<String>) -> std::io::Result<()> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let count = |line: &str| line.get(1..).and_then(|n| n.parse::<i64>().ok()).unwrap_or_default();
    match line.as_bytes().first() {
        Some(b'$') if count(line) >= 0 => {
            let mut bytes = vec![0; usize::try_from(count(line)).unwrap() + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            lines.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        Some(b'*') => {
            for _ in 0..count(line) {
                read(from, lines)?;
            }
        }
        Some(b'+') => lines.push(line[1..].to_owned()),
        Some(_) => lines.push(line.to_owned()),
        None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
    Ok(())
}
