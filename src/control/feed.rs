//! What happens, as it happens: events of the run and changes over the API, as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

use super::json::Quoted;
use crate::base::scope::Scope;
use crate::base::time::RunClock;
use crate::event::{EventKind, Events};

/// How many events a listener may be behind; then it is told how many it missed.
const BEHIND_MAX: usize = 1024;

/// How many events wait for a listener's socket.
const UNSENT_MAX: usize = 16;

/// A comment is sent after this long without an event, so that a listener that left is noticed.
const QUIET_MAX: Duration = Duration::from_secs(15);

/// Events for whoever listens on `GET /events`. Clones are the same feed; publishing never waits.
#[derive(Clone, Debug)]
pub struct Feed {
    clock: RunClock,
    sender: broadcast::Sender<Arc<Line>>,
}

#[derive(Debug)]
struct Line {
    name: String,
    data: String,
}

impl Feed {
    /// A feed whose times count from the start of `clock`.
    #[must_use]
    pub fn new(clock: RunClock) -> Self {
        Self { clock, sender: broadcast::channel(BEHIND_MAX).0 }
    }

    /// Events that go to `next` and to this feed.
    #[must_use]
    pub fn events(&self, next: Events) -> Events {
        let feed = self.clone();
        Events::to(move |kind| {
            feed.publish_event(&kind);
            next.emit(kind);
        })
    }

    fn publish_event(&self, kind: &EventKind) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        // The kind is a flat object of plain values: it always has a JSON form.
        let Ok(serde_json::Value::Object(members)) = serde_json::to_value(kind) else { return };
        let name = members.get("event").and_then(|name| name.as_str()).unwrap_or("event");
        let members: Vec<String> =
            members.iter().map(|(key, value)| format!("{}:{value}", Quoted(key))).collect();
        self.publish(name, &members.join(","));
    }

    /// Tells listeners that somebody changed something over the API.
    pub(super) fn publish_change(&self, method: &str, path: &str, status: u16) {
        let (method, path) = (Quoted(method), Quoted(path));
        let members =
            format!(r#""event":"control","method":{method},"path":{path},"status":{status}"#);
        self.publish("control", &members);
    }

    fn publish(&self, name: &str, members: &str) {
        let at = self.clock.now().as_secs_f64();
        let data = format!(r#"{{"at_s":{at:.6},{members}}}"#);
        // An error only says that nobody listens.
        let _ = self.sender.send(Arc::new(Line { name: name.to_owned(), data }));
    }

    /// A body that goes on until the listener leaves or the scope ends.
    pub(super) fn body(&self, scope: &Scope) -> Body {
        let receiver = self.sender.subscribe();
        let (sender, unsent) = mpsc::channel(UNSENT_MAX);
        let cancelled = scope.cancelled();
        scope.spawn("events", async move {
            tokio::select! {
                () = cancelled => {}
                () = forward(receiver, &sender) => {}
                () = sender.closed() => {}
            }
        });
        Body::new(Unsent(unsent))
    }
}

/// Hands over every event until the listener leaves.
async fn forward(mut receiver: broadcast::Receiver<Arc<Line>>, sender: &mpsc::Sender<Bytes>) {
    loop {
        let text = match timeout(QUIET_MAX, receiver.recv()).await {
            Ok(Ok(line)) => format!("event: {}\ndata: {}\n\n", line.name, line.data),
            Ok(Err(RecvError::Lagged(missed))) => {
                format!("event: missed\ndata: {{\"event\":\"missed\",\"count\":{missed}}}\n\n")
            }
            Ok(Err(RecvError::Closed)) => return,
            Err(_) => ": still here\n\n".to_owned(),
        };
        if sender.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// A body fed by a channel.
struct Unsent(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Unsent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::base::name::NodeIndex;

    /// Catches an event that does not reach both the feed and the recorder behind it, and a feed
    /// that outlives its scope.
    #[tokio::test]
    async fn events_reach_the_listener_and_pass_on() {
        let scope = Scope::current("test");
        let feed = Feed::new(RunClock::start());
        let mut body = feed.body(&scope);
        let (passed, mut seen) = mpsc::unbounded_channel();
        let events = feed.events(Events::to(move |kind| drop(passed.send(kind))));
        events.emit(EventKind::NodeReinstated { node: NodeIndex(1) });
        feed.publish_change("POST", "/reset", 204);
        assert_eq!(seen.recv().await, Some(EventKind::NodeReinstated { node: NodeIndex(1) }));
        let mut frames = Vec::new();
        for _ in 0..2 {
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            frames.push(String::from_utf8(data.to_vec()).unwrap());
        }
        assert!(frames[0].starts_with("event: node_reinstated\ndata: {\"at_s\":"), "{frames:?}");
        assert!(frames[0].ends_with(",\"event\":\"node_reinstated\",\"node\":\"n2\"}\n\n"));
        assert!(frames[1].contains(r#""method":"POST","path":"/reset","status":204}"#));
        scope.cancel();
        assert!(body.frame().await.is_none());
    }

    /// Catches a slow listener that holds events without bound or is not told what it missed.
    #[tokio::test]
    async fn a_slow_listener_is_told_what_it_missed() {
        let scope = Scope::current("test");
        let feed = Feed::new(RunClock::start());
        let mut body = feed.body(&scope);
        for _ in 0..3 * BEHIND_MAX {
            feed.publish_change("POST", "/reset", 204);
        }
        let mut text = String::new();
        while !text.contains("event: missed") {
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}
