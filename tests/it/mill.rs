//! Running the binary: one-off commands, and instances that are started, watched, killed, stopped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::paths;

/// Runs a command of the binary to its end.
pub fn readmill(args: &[&str]) -> Output {
    Command::new(paths::readmill()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command that must succeed, and answers what it printed.
#[track_caller]
pub fn succeed(args: &[&str]) -> String {
    let output = readmill(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "readmill {args:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A started instance; it is killed when it is dropped.
#[derive(Debug)]
pub struct Mill {
    child: Child,
    port: u16,
}

/// A port that nobody listens on, and that the system does not give to outgoing connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() % 1000 * 11;
    for _ in 0..11_000 {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (begin + step) % 11_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

impl Mill {
    /// Starts `readmill run` with a configuration; its log goes to `<dir>/<port>.log`.
    pub fn start(dir: &Path, configuration: &str) -> Self {
        let port = free_port();
        let instance = format!(
            "[instance]\nhttp_listen = \"127.0.0.1:{port}\"\nstate_dir = \"{}\"\n\
             stall_limit_ms = 2000\n\n",
            dir.join("state").display()
        );
        Self::start_at(dir, port, &(instance + configuration))
    }

    /// Starts `readmill run` with a configuration that says itself that it listens on this port.
    pub fn start_at(dir: &Path, port: u16, configuration: &str) -> Self {
        let file = dir.join(format!("{port}.toml"));
        let log = std::fs::File::create(dir.join(format!("{port}.log"))).unwrap();
        std::fs::write(&file, configuration).unwrap();
        let child = Command::new(paths::readmill())
            .args(["run", "-c", file.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Asks over HTTP; `None` while nobody answers.
    pub fn ask(&self, path: &str) -> Option<(u16, String)> {
        get(self.port, path)
    }

    /// Puts JSON over HTTP; `None` while nobody answers.
    pub fn put(&self, path: &str, body: &str) -> Option<(u16, String)> {
        self.tell("PUT", path, body)
    }

    /// Posts JSON over HTTP; `None` while nobody answers.
    pub fn post(&self, path: &str, body: &str) -> Option<(u16, String)> {
        self.tell("POST", path, body)
    }

    fn tell(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let length = body.len();
        let head = format!("{method} {path}");
        let kind = "Content-Type: application/json";
        send(self.port, &head, &format!("{kind}\r\nContent-Length: {length}\r\n\r\n{body}"))
    }

    /// Waits until a path is answered with 200.
    #[track_caller]
    pub fn wait_for(&self, path: &str, limit: Duration) {
        wait(limit, &format!("{path} of port {}", self.port), || {
            self.ask(path).is_some_and(|(status, _)| status == 200)
        });
    }

    /// The sum of a metric over all its series.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metric_of(name, "")
    }

    /// The sum of a metric over those of its series that have a label, such as `model="points"`.
    pub fn metric_of(&self, name: &str, label: &str) -> Option<f64> {
        let (_, text) = self.ask("/metrics")?;
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        });
        Some(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// SIGKILL: no chance to settle anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, such as `STOP`.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        let (signal, pid) = (format!("-{signal}"), self.child.id().to_string());
        assert!(Command::new("kill").args([&signal, &pid]).status().unwrap().success());
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGTERM, and the exit code.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "the instance does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Mill {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One GET over HTTP/1.1.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    send(port, &format!("GET {path}"), "\r\n")
}

/// The same with a token.
pub fn get_with(port: u16, path: &str, token: &str) -> Option<(u16, String)> {
    send(port, &format!("GET {path}"), &format!("Authorization: Bearer {token}\r\n\r\n"))
}

/// A request, and what is answered to it.
fn send(port: u16, head: &str, rest: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request = format!("{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Waits until something is so.
#[track_caller]
pub fn wait(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < until, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
