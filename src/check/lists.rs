//! Whether a driver's client follows the list of nodes that it is told.

use tokio::time::Instant;

use super::cases::PREFIX;
use super::session::{Asked, PATIENCE, Session, Trouble};
use super::stage::Stage;
use super::step::Step;
use super::stories::{Came, Verdict, unexpected};
use crate::base::name::NodeIndex;
use crate::driver::speech::Answer;

/// What is expected.
pub(super) const EXPECTED: &str = "new keys to go to the nodes in the list only";

/// Keys that are stored with each list: enough for each node to have some under any placement.
const KEYS: usize = 30;

/// Takes all nodes but the last out of the list, and puts them back.
pub(super) async fn followed(session: &mut Session, stage: &Stage) -> Came {
    if !session.ready.members {
        return Ok(Verdict::skipped("it says that it cannot"));
    }
    let all = stage.servers();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let last = all.len().saturating_sub(1);
    for (turn, list) in [&all[last..], &all[..]].into_iter().enumerate() {
        let begun = Instant::now();
        if !session.relist(list).await? {
            let waited = begun.elapsed().as_secs();
            return Err(Trouble::new(format!("no `listed` in {waited} of {PATIENCE:?}")));
        }
        let keys: Vec<String> = (0..KEYS).map(|key| format!("{PREFIX}list:{turn}:{key}")).collect();
        for key in &keys {
            let step = Step::write("set", key.as_str(), *b"value", Answer::Stored);
            let told = session.call(&step.request(None)).await?;
            if told.answer != Answer::Stored {
                return Err(unexpected(&told));
            }
            // Written without waiting for a reply, it may be on its way: a read comes behind it.
            session.call(&crate::driver::speech::Request::new("get", key.as_bytes())).await?;
        }
        let asked = stage.asked(keys.iter());
        let outside = asked.iter().find(|node| turn == 0 && node.position() != last);
        if let Some(node) = outside {
            let came = format!("{node} is not in the list, and was asked for a new key");
            return Err(Trouble::new(came));
        }
        if turn == 1 && asked == [NodeIndex(u16::try_from(last).unwrap_or(u16::MAX))] {
            return Err(Trouble::new("the nodes that are back in the list were asked for no key"));
        }
    }
    Ok(Verdict::Ok)
}
