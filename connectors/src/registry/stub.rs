//! A registry of a few lines for tests: scripted answers, over TLS if wanted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status and a body.
    Say(u16, String),
    /// A status, and a wish to be left alone for so many seconds.
    Busy(u16, u64),
    /// Nothing, for longer than anyone waits.
    Hang,
    /// Bytes that are not HTTP.
    Garbage,
}

type Script = dyn Fn(&str) -> Answer + Send + Sync;

/// A listening stub.
#[derive(Clone)]
pub struct Stub {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stub").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Stub {
    /// Gives one answer after the other, the last one again and again.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::routed(move |_| {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap()
        })
        .await
    }

    /// Answers by the path that is asked for.
    pub async fn routed(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), None).await
    }

    /// Always gives the same answer, over TLS.
    pub async fn tls(answer: Answer, config: rustls::ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::listen(Arc::new(move |_| answer.clone()), Some(acceptor)).await
    }

    async fn listen(script: Arc<Script>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match acceptor {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let stub = Self { url, requests: Arc::default() };
        let served = stub.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(served.clone().meet(socket, Arc::clone(&script), acceptor.clone()));
            }
        });
        stub
    }

    async fn meet(self, socket: TcpStream, script: Arc<Script>, acceptor: Option<TlsAcceptor>) {
        let Some(acceptor) = acceptor else { return self.serve(socket, &*script).await };
        match acceptor.accept(socket).into_fallible().await {
            Ok(socket) => self.serve(socket, &*script).await,
            // The client must have the time to read why, before the connection is reset.
            Err((_, mut socket)) => {
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
        }
    }

    /// How many requests came.
    pub fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The heads of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn serve(self, mut socket: impl AsyncRead + AsyncWrite + Unpin, script: &Script) {
        let mut request = [0; 4096];
        let length = socket.read(&mut request).await.unwrap_or_default();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        if path.is_empty() {
            return;
        }
        self.requests.lock().unwrap().push(request);
        let say = |status: u16, header: String, body: &str| {
            format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n{header}\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
        };
        let bytes = match script(&path) {
            Answer::Hang => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return;
            }
            Answer::Garbage => "\u{1}\u{2} this is not http\r\n\r\n".to_owned(),
            Answer::Busy(status, seconds) => say(status, format!("retry-after: {seconds}\r\n"), ""),
            Answer::Say(status, body) => say(status, String::new(), &body),
        };
        let _ = socket.write_all(bytes.as_bytes()).await;
        let _ = socket.shutdown().await;
    }
}
