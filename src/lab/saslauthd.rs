//! Whom a memcached that was started with `-S` asks whether a password is right.
//!
//! It leaves that to the library Cyrus SASL, which leaves it to a daemon behind a UNIX socket where its file says
//! `pwcheck_method: saslauthd`. Ours knows what the gate of the node knows: another password holds at once. A request
//! is user, password, service and realm, each behind its length in two bytes; the answer is one such text (Cyrus SASL,
//! saslauthd/ipc_unix.c).

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use crate::base::scope::Scope;
use crate::protocol::node::gate::Gate;

/// The variable with the folder in which the library looks for its file.
pub(super) const FOLDER_VARIABLE: &str = "SASL_CONF_PATH";

/// The library's file: the program's name with this ending.
const FILE: &str = "memcached.conf";

const SOCKET: &str = "mux";

/// The longest text of a request: what the library's own daemon takes.
const TEXT_BYTES_MAX: u16 = 256;

/// How many requests are answered at a time: each thread of the node has one at most, and waits for its answer. One more
/// waits until one of them is over. A node that is stopped may take as long as it likes.
const REQUESTS_MAX: usize = 64;

/// The pause after a connection that could not be had: this process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Listens in a new folder, and answers as long as `scope` lasts.
pub(super) fn start(folder: &Path, gate: Arc<Gate>, scope: &Scope) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let socket = folder.join(SOCKET);
    let listener = UnixListener::bind(&socket)?;
    let text = format!(
        "mech_list: plain\npwcheck_method: saslauthd\nsaslauthd_path: {}\n",
        socket.display()
    );
    std::fs::write(folder.join(FILE), text)?;
    let (ended, answers) = (scope.cancelled(), scope.clone());
    scope.spawn("saslauthd", async move {
        tokio::select! {
            () = ended => {}
            () = serve(&listener, &gate, &answers) => {}
        }
    });
    Ok(())
}

async fn serve(listener: &UnixListener, gate: &Arc<Gate>, scope: &Scope) {
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (ended, gate) = (scope.cancelled(), Arc::clone(gate));
        scope.spawn("saslauthd answer", async move {
            tokio::select! {
                () = ended => {}
                // Who asks and goes, or asks what nobody understands, is told nothing.
                _ = answer(stream, &gate) => {}
            }
            drop(place);
        });
    }
}

async fn answer<S>(mut stream: S, gate: &Gate) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let [user, password, _service, _realm] = [
        text(&mut stream).await?,
        text(&mut stream).await?,
        text(&mut stream).await?,
        text(&mut stream).await?,
    ];
    let is_right = gate.account.lock().as_ref().is_some_and(|account| {
        account.user.as_bytes() == user && account.password.as_bytes() == password
    });
    stream.write_all(if is_right { b"\0\x02OK" } else { b"\0\x02NO" }).await
}

async fn text(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let bytes = stream.read_u16().await?;
    if bytes > TEXT_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; bytes.into()];
    stream.read_exact(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::account::Account;

    async fn said(request: &[u8]) -> Vec<u8> {
        let account = Account { user: "user".to_owned(), password: "right".to_owned() };
        let gate = Gate { account: Some(account).into(), ..Gate::default() };
        let (mut asks, answers) = tokio::io::duplex(4096);
        asks.write_all(request).await.unwrap();
        asks.shutdown().await.unwrap();
        let _ = answer(answers, &gate).await;
        let mut said = Vec::new();
        asks.read_to_end(&mut said).await.unwrap();
        said
    }

    /// Catches half a password that opens, and an answer to what was never asked to its end.
    #[tokio::test]
    async fn only_the_whole_password_is_right() {
        let behind = b"\0\x09memcached\0\0";
        let ask = |password: &[u8]| {
            [b"\0\x04user\0", &[u8::try_from(password.len()).unwrap()][..], password, behind]
                .concat()
        };
        assert_eq!(said(&ask(b"right")).await, b"\0\x02OK");
        for wrong in [&b"righ"[..], b"rightx", b"", b"Right", b"right\0"] {
            assert_eq!(said(&ask(wrong)).await, b"\0\x02NO", "{wrong:?}");
        }
        let whole = ask(b"right");
        for cut in [&whole[..whole.len() - 1], b"", b"\0", b"\xff\xffuser"] {
            assert_eq!(said(cut).await, b"", "{cut:?}");
        }
    }
}
