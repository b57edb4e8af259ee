//! The doors: connections are let in, so many at a time, and each has its bounds.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::patient::Patient;

/// A request's head must be there within this time, and so must the next one on a connection; a
/// handshake takes no longer either.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Whoever takes nothing of an answer for so long is given up.
const TAKE_LIMIT: Duration = Duration::from_secs(10);
/// A request's head may have so many bytes, and so many headers.
const HEAD_BYTES: usize = 32 * 1024;
const HEADERS: usize = 64;
/// Answers that are under way when the server closes have so long to end.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// After a failure to take connections, such as for want of file handles, they wait so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What all connections share.
#[derive(Debug, Clone)]
struct Doors {
    router: Router,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    closed: watch::Receiver<bool>,
}

/// Answers until `closed` turns true or its sender is gone; answers under way may end.
///
/// # Errors
/// When the count of connections is damaged, which is a defect.
pub async fn keep(
    listener: TcpListener,
    router: Router,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    connections: usize,
    mut closed: watch::Receiver<bool>,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(connections));
    let doors = Doors { router, tls, closed: closed.clone() };
    let mut open = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await?;
            Ok::<_, anyhow::Error>((place, listener.accept().await))
        };
        tokio::select! {
            // A sender that is gone cannot ask for the end any more, so it has come.
            () = is_closed(&mut closed) => break,
            Some(_) = open.join_next() => {}
            next = next => match next.context("the HTTP server failed")? {
                (place, Ok((stream, from))) => {
                    open.spawn(doors.clone().attend(place, stream, from));
                }
                (_, Err(error)) => {
                    tracing::debug!(%error, "a connection was not taken");
                    sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    // Those who are slower are cut off with the set.
    let _ = timeout(CLOSE_LIMIT, ended).await;
    Ok(())
}

async fn is_closed(closed: &mut watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}

impl Doors {
    async fn attend(self, place: OwnedSemaphorePermit, stream: TcpStream, from: SocketAddr) {
        let _place = place;
        // Without it small answers would wait for others; whoever cannot have it is slower.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.converse(stream, from).await };
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
        match timeout(HEAD_LIMIT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream, from).await,
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        }
    }

    async fn converse<S>(mut self, stream: S, from: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(from.ip()));
            router.call(request)
        });
        let mut conversation = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .max_buf_size(HEAD_BYTES)
                .max_headers(HEADERS)
                .serve_connection(TokioIo::new(Patient::new(stream, TAKE_LIMIT)), service)
        );
        let ended = tokio::select! {
            ended = conversation.as_mut() => ended,
            () = is_closed(&mut self.closed) => {
                conversation.as_mut().graceful_shutdown();
                conversation.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
