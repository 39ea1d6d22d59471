//! `-metrics-addr` and `-linger`: figures of the runs for Prometheus, while they go on and for a moment after.

use std::net::SocketAddr;
use std::time::Duration;

use super::{output, values};
use crate::base::scope::Scope;
use crate::lab::error::LabError;
use crate::metrics::{Board, Server};
use crate::plan::read_listen;

/// How long requests under way may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Where figures are served, and for how long.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct MetricsFlags {
    /// Serve the figures of the runs to Prometheus on http://ADDRESS/metrics; port 0 is any free port
    /// (docs/metrics.md) [default: nowhere but on the control API]
    #[arg(long, value_name = "ADDRESS", value_parser = read_listen)]
    metrics_addr: Option<SocketAddr>,
    /// Keep serving them after the last run until somebody has scraped them, so long at most [default:
    /// not at all]
    #[arg(long, value_name = "TIME", value_parser = values::linger, requires = "metrics_addr")]
    linger: Option<Duration>,
}

/// Figures that are served.
#[derive(Debug)]
pub(super) struct Served {
    server: Server,
    scope: Scope,
    linger: Option<Duration>,
}

impl MetricsFlags {
    /// Whether figures were asked for.
    pub(super) const fn is_given(&self) -> bool {
        self.metrics_addr.is_some()
    }

    /// Serves `board` where that was asked for, and says where it is.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(super) async fn serve(&self, board: &Board) -> Result<Option<Served>, LabError> {
        let Some(asked) = self.metrics_addr else { return Ok(None) };
        let scope = Scope::current("metrics");
        let server = Server::start(asked, board.clone(), &scope).await;
        let server = server.map_err(|error| LabError::Listen {
            address: asked.to_string(),
            what: error.to_string(),
            flag: "-metrics-addr",
        })?;
        // Always on stderr: whoever asked for any free port has to be told which.
        output::remark(&server.notice());
        Ok(Some(Served { server, scope, linger: self.linger }))
    }
}

impl Served {
    /// All runs are over: waits for the last scrape where that was asked for, and ends.
    pub(super) async fn close(self) {
        if let Some(most) = self.linger {
            self.server.linger(most).await;
        }
        // A scraper that does not leave is not waited for.
        drop(self.scope.close(CLOSE_GRACE).await);
    }
}
