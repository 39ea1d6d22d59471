//! Waits until a service answers.

use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use tokio::time::{Instant, sleep};

use super::address::Address;
use super::caller::Caller;
use crate::event::ErrorClass;

/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a service cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// There was no answer that will do.
    #[error("the service at {address} is not ready after {} s: {last}", waited.as_secs())]
    Silent {
        /// Where it was asked.
        address: Address,
        /// How long.
        waited: Duration,
        /// What came of the last request.
        last: String,
    },
    /// What answers there speaks something else.
    #[error("what answers at {address} is no service: {what}")]
    NoService {
        /// Where it was asked.
        address: Address,
        /// What came.
        what: String,
    },
}

/// Asks `address` until any answer comes, or, where it must be `well`, one with a status of 200 to 299.
///
/// # Errors
/// When none comes in the time `waited`.
pub async fn until_ready(
    address: &Address,
    well: bool,
    timeout: Duration,
    waited: Duration,
) -> Result<(), NotReady> {
    let caller = Caller::new(address.clone(), timeout, 0);
    let until = Instant::now() + waited;
    loop {
        let request = Request::get(address.target("")).body(Bytes::new());
        let request = request.expect("an address is a target");
        let last = match caller.ask(request).await.result {
            Ok(answer) if !well || (200..300).contains(&answer.status) => return Ok(()),
            Ok(answer) => format!("it answers {}, and 200 to 299 is expected", answer.status),
            Err(trouble) if trouble.class == ErrorClass::Protocol => {
                let (address, what) = (address.clone(), trouble.message);
                return Err(NotReady::NoService { address, what });
            }
            Err(trouble) => trouble.message,
        };
        if Instant::now() >= until {
            return Err(NotReady::Silent { address: address.clone(), waited, last });
        }
        sleep(PAUSE).await;
    }
}
