//! A registry of a few lines for tests: one scripted answer after the other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status and a body.
    Say(u16, String),
    /// Nothing, for longer than anyone waits.
    Hang,
    /// Bytes that are not HTTP.
    Garbage,
}

/// A listening stub; the last answer is repeated.
#[derive(Debug)]
pub struct Stub {
    pub url: String,
    asked: Arc<AtomicUsize>,
}

impl Stub {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let script = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let next = {
                    let mut script = script.lock().unwrap();
                    if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
                };
                tokio::spawn(serve(socket, next.unwrap()));
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(mut socket: TcpStream, answer: Answer) {
    let mut request = [0; 4096];
    let _ = socket.read(&mut request).await;
    let bytes = match answer {
        Answer::Hang => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        Answer::Garbage => "\u{1}\u{2} this is not http\r\n\r\n".to_owned(),
        Answer::Say(status, body) => format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        ),
    };
    let _ = socket.write_all(bytes.as_bytes()).await;
}
