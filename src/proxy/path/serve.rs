//! What becomes of a client that was accepted: it is sent away, or its server is connected to and the two
//! are linked.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connection::{Live, Membership};
use super::link::{Clock, Ended, Link};
use super::upstream::{Peer, Server, prepare};
use crate::base::descriptors;
use crate::base::timer::Timer;
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::{Dial, Direction};
use crate::proxy::fault::Farewell;
use crate::proxy::fault::outbox::Due;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::instance::Proxy;

/// Serves one accepted client to its end; `found_open`: it is to be sent away, because so many were open.
pub(in crate::proxy) async fn serve(
    mut membership: Membership,
    client: std::net::TcpStream,
    found_open: Option<u64>,
) {
    let Membership { proxy, live, ended } = &mut membership;
    // Refused when there is no memory for one more socket to wait for.
    *ended = match TcpStream::from_std(client) {
        Ok(client) => forward(proxy, client, live, found_open).await,
        Err(_) => Ended { by: Closer::Proxy, how: CloseManner::Fin },
    };
}

async fn forward(
    proxy: &Proxy,
    mut client: TcpStream,
    live: &Arc<Live>,
    found_open: Option<u64>,
) -> Ended {
    if let Some(found_open) = found_open
        && let Err(ended) = send_away(proxy, live, &mut client, found_open).await
    {
        return ended;
    }
    if let Err(ended) = wait_to_connect(proxy, live, &client).await {
        return ended;
    }
    let dialled = match dial(proxy, live).await {
        Ok(dialled) => dialled,
        Err(told) => return told,
    };
    match dialled.and_then(|server| prepare(&client).map(|()| server)) {
        Ok(server) if descriptors::is_reserved(&server) => {
            client.reset_on_close();
            Ended { by: Closer::Proxy, how: CloseManner::Reset }
        }
        Ok(server) => {
            let table = proxy.table();
            Link::new(client, server, Arc::clone(live), live.place, &table, Clock::Fine).run().await
        }
        Err(_) => {
            let how = match proxy.dial {
                Dial::Eager => CloseManner::Reset,
                Dial::Lazy => CloseManner::Fin,
            };
            if how == CloseManner::Reset {
                client.reset_on_close();
            }
            Ended { by: Closer::Refused, how }
        }
    }
}

/// Waits as long as the toxics say before the server is connected to, and no longer than they are
/// there; an error when the connection ended meanwhile. A change of toxics is acknowledged at once.
async fn wait_to_connect(proxy: &Proxy, live: &Live, client: &TcpStream) -> Result<(), Ended> {
    let table = proxy.table();
    let due_by = |table: &ToxicTable| {
        let delays = table.connect_delays(&live.place).map(|(_, delay)| delay);
        Due::after(live.opened, delays.fold(Duration::ZERO, Duration::saturating_add))
    };
    let mut due = due_by(&table);
    if due <= Due::At(live.opened) {
        return Ok(());
    }
    table.connect_delays(&live.place).for_each(|(toxic, _)| toxic.identity.touch(1));
    // Not a fine one: each of those is a descriptor, and many may wait.
    let mut timer = Timer::coarse();
    let mut silent = true;
    poll_fn(|cx| {
        if let Some(mail) = live.poll_mail(cx) {
            if let Some(how) = mail.close {
                return Poll::Ready(Err(Ended { by: Closer::Proxy, how }));
            }
            due = mail.table.map_or(due, |table| due_by(&table));
        }
        if silent && let Poll::Ready(said) = poll_said(client, cx) {
            said?;
            silent = false;
        }
        match due {
            Due::At(due) => timer.poll_until(cx, due).map(Ok),
            Due::Never => Poll::Pending,
        }
    })
    .await
}

/// Ready when the client has said something, which stays where it is; an error when it has left
/// without a word.
fn poll_said(client: &TcpStream, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
    let mut byte = [0];
    let peeked = std::task::ready!(client.poll_peek(cx, &mut ReadBuf::new(&mut byte)));
    Poll::Ready(match peeked {
        Ok(0) => Err(Ended { by: Closer::Client, how: CloseManner::Fin }),
        Ok(_) => Ok(()),
        Err(_) => Err(Ended { by: Closer::Client, how: CloseManner::Reset }),
    })
}

/// Connects to the server; an error when the connection was told to end meanwhile. A change of
/// toxics is acknowledged at once: the link will start with the newest.
async fn dial(proxy: &Proxy, live: &Live) -> Result<std::io::Result<Server>, Ended> {
    let upstream = proxy.upstream();
    let mut dialling = std::pin::pin!(upstream.dial());
    poll_fn(|cx| {
        if let Some(how) = live.poll_mail(cx).and_then(|mail| mail.close) {
            return Poll::Ready(Err(Ended { by: Closer::Proxy, how }));
        }
        dialling.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// Sends a client away that found so many others open, as the toxics say; an error: how it ended. One that
/// is kept in silence goes on when no toxic means it any more.
async fn send_away(
    proxy: &Proxy,
    live: &Live,
    client: &mut TcpStream,
    found_open: u64,
) -> Result<(), Ended> {
    let (mut table, mut told) = (proxy.table(), false);
    while let Some((toxic, farewell)) = table.turn_away(&live.place, found_open) {
        if !std::mem::replace(&mut told, true) {
            toxic.touch(1);
        }
        let how = match farewell {
            Farewell::Silence => {
                table = silence(live, client).await?;
                continue;
            }
            // A socket that is new takes a line at once; one that does not is closed all the same.
            Farewell::Line(line) => {
                let written = client.write(&line).await.unwrap_or(0);
                live.delivered(Direction::Down, Instant::now(), written, 0);
                CloseManner::Fin
            }
            Farewell::Reset => {
                client.reset_on_close();
                CloseManner::Reset
            }
        };
        return Err(Ended { by: Closer::Fault, how });
    }
    proxy.stays(live);
    Ok(())
}

/// Waits until the toxics change; an error when the connection ended meanwhile.
async fn silence(live: &Live, client: &TcpStream) -> Result<Arc<ToxicTable>, Ended> {
    let mut silent = true;
    poll_fn(|cx| {
        if let Some(mail) = live.poll_mail(cx) {
            if let Some(how) = mail.close {
                return Poll::Ready(Err(Ended { by: Closer::Proxy, how }));
            }
            if let Some(table) = mail.table {
                return Poll::Ready(Ok(table));
            }
        }
        if silent && let Poll::Ready(said) = poll_said(client, cx) {
            said?;
            silent = false;
        }
        Poll::Pending
    })
    .await
}
