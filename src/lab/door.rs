//! What nodes ask of who connects: certificates of the run's own authority, and a password; what becomes of
//! them when a fault says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::LabError;
use super::fault::NodeAction;
use super::{Backend, LabConfig, Network, Nodes, names, saslauthd};
use crate::base::folder::OwnFolder;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::protocol::Protocol;
use crate::protocol::memcached::entry::Entry;
use crate::protocol::node::gate::Gate;
use crate::protocol::probe::At;
use crate::secure::access::{Access, Invitation};
use crate::secure::account::Account;
use crate::secure::authority::{Authority, Flaw};
use crate::secure::identity::Identity;
use crate::secure::trust::Trust;

/// The user that nodes know.
const USER: &str = "harness";

/// Why the wire tells nothing where the nodes speak TLS.
pub const UNREADABLE: &str =
    "the nodes speak TLS (-tls), and what passes the proxies cannot be read";

/// What the doors of a lab have in common.
#[derive(Debug)]
pub(super) struct Keyring {
    folder: OwnFolder,
    tls: Option<Tls>,
    account: Option<Account>,
    /// Whether the account is asked for by SASL.
    sasl: bool,
}

#[derive(Debug)]
struct Tls {
    authority: Authority,
    trust: Trust,
    blind: Trust,
}

/// The door of a node.
#[derive(Debug)]
pub(super) struct Door {
    keyring: Option<Arc<Keyring>>,
    node: NodeIndex,
    hosts: Vec<String>,
    gate: Arc<Gate>,
}

impl Keyring {
    /// What the nodes of such a lab need; `None`: nothing.
    pub(super) fn make(access: Access, seed: Seed) -> Result<Option<Arc<Self>>, LabError> {
        if access.is_open() {
            return Ok(None);
        }
        let folder = OwnFolder::create()
            .map_err(|source| LabError::System { what: "no folder for certificates", source })?;
        let tls = access.tls.then(Tls::make).transpose().map_err(LabError::Access)?;
        let account = access.has_password().then(|| account(seed, "password"));
        let keyring = Self { folder, tls, account, sasl: access.sasl };
        if let Some(tls) = &keyring.tls {
            write(&keyring.authority_file(), &tls.authority.pem()).map_err(LabError::Access)?;
        }
        Ok(Some(Arc::new(keyring)))
    }

    fn authority_file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// What a client is told.
    pub(super) fn invitation(&self) -> Invitation {
        Invitation {
            authority: self.tls.as_ref().map(|_| self.authority_file()),
            account: self.account.clone(),
            sasl: self.sasl,
        }
    }

    /// How a client in this process gets in.
    pub(super) fn entry(&self) -> Entry {
        Entry {
            trust: self.tls.as_ref().map(|tls| tls.trust.clone()),
            account: self.account.clone(),
            sasl: self.sasl,
        }
    }
}

impl Tls {
    fn make() -> Result<Self, String> {
        let authority = Authority::new()?;
        let trust = authority.trust()?;
        Ok(Self { authority, trust, blind: Trust::blind()? })
    }
}

/// A password is drawn, so that nobody relies on one.
fn account(seed: Seed, name: &str) -> Account {
    let password = format!("{:016x}", seed.fork(name).value());
    Account { user: USER.to_owned(), password }
}

impl Door {
    /// The door of a node of this lab.
    pub(super) fn make(
        keyring: Option<&Arc<Keyring>>,
        config: &LabConfig,
        node: NodeIndex,
    ) -> Result<Self, LabError> {
        let listen = config.listen.address.ip().to_string();
        let local = ["127.0.0.1", "localhost"].map(str::to_owned);
        let hosts = local.into_iter().chain([listen, names::name_of(node)]).collect();
        let door = Self { keyring: keyring.cloned(), node, hosts, gate: Arc::default() };
        door.show(None).map_err(LabError::Access)?;
        door.admit(keyring.and_then(|it| it.account.clone())).map_err(LabError::Access)?;
        Ok(door)
    }

    /// What an embedded node stands behind.
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// The words behind the name of a memcached that make it so.
    pub(super) fn arguments(&self) -> Vec<String> {
        let Some(keyring) = &self.keyring else { return Vec::new() };
        let [chain, key, accounts] = self.files(keyring).map(|file| file.display().to_string());
        let mut words = Vec::new();
        if keyring.tls.is_some() {
            let options = format!("ssl_chain_cert={chain},ssl_key={key}");
            words.extend(["-Z".to_owned(), "-o".to_owned(), options]);
        }
        if keyring.sasl {
            words.push("-S".to_owned());
        } else if keyring.account.is_some() {
            words.extend(["-Y".to_owned(), accounts]);
        }
        words
    }

    /// A variable of its environment that makes it so.
    pub(super) fn variable(&self) -> Option<(&'static str, PathBuf)> {
        self.sasl_folder().map(|folder| (saslauthd::FOLDER_VARIABLE, folder))
    }

    /// Whether who is let in is asked by SASL, each time, and not read from a file.
    pub(super) fn asks_by_sasl(&self) -> bool {
        self.keyring.as_ref().is_some_and(|keyring| keyring.sasl)
    }

    /// Answers a memcached that asks by SASL whether a password is right, as long as `scope` lasts.
    pub(super) fn answer_sasl(&self, scope: &Scope) -> Result<(), LabError> {
        let Some(folder) = self.sasl_folder() else { return Ok(()) };
        saslauthd::start(&folder, self.gate(), scope).map_err(|error| {
            LabError::Access(format!(
                "-sasl: no socket in {}: {error}; where the path is too long, name a shorter folder in TMPDIR",
                folder.display()
            ))
        })
    }

    /// Where the library of a memcached finds whom to ask.
    fn sasl_folder(&self) -> Option<PathBuf> {
        let keyring = self.keyring.as_ref().filter(|_| self.asks_by_sasl())?;
        Some(keyring.folder.path().join(format!("{}.sasl", self.node)))
    }

    /// How whoever started the node asks it something, whatever it shows to others.
    pub(super) fn at(&self, address: std::net::SocketAddr) -> At {
        let tls = self.keyring.as_ref().and_then(|keyring| keyring.tls.as_ref());
        let trust = tls.map(|tls| tls.blind.clone());
        let (account, sasl) = (self.gate.account.lock().clone(), self.asks_by_sasl());
        At { address, entry: Entry { trust, account, sasl } }
    }

    /// Shows a certificate like this from now on; a process has to read it.
    pub(super) fn show(&self, flaw: Option<Flaw>) -> Result<(), String> {
        let Some(keyring) = &self.keyring else { return Ok(()) };
        let Some(tls) = &keyring.tls else { return Ok(()) };
        let identity: Identity = tls.authority.identity(&self.hosts, flaw)?;
        let [chain, key, _] = self.files(keyring);
        write(&chain, &identity.certificate_pem())?;
        write(&key, &identity.key_pem())?;
        *self.gate.identity.lock() = Some(identity);
        Ok(())
    }

    /// Has another password from now on, or again the one that clients are told; a process has to read it.
    pub(super) fn change_password(&self, to_another: bool) -> Result<(), String> {
        let told = self.keyring.as_ref().and_then(|keyring| keyring.account.clone());
        self.admit(told.map(|told| match to_another {
            true => Account { password: format!("not-{}", told.password), ..told },
            false => told,
        }))
    }

    fn admit(&self, account: Option<Account>) -> Result<(), String> {
        let keyring = self.keyring.as_ref().filter(|keyring| !keyring.sasl);
        if let (Some(keyring), Some(Account { user, password })) = (keyring, &account) {
            let [_, _, accounts] = self.files(keyring);
            write(&accounts, &format!("{user}:{password}\n"))?;
        }
        *self.gate.account.lock() = account;
        Ok(())
    }

    /// Where a process reads its certificate, its key and who is let in.
    fn files(&self, keyring: &Keyring) -> [PathBuf; 3] {
        let Self { node, .. } = self;
        [format!("{node}.pem"), format!("{node}.key"), format!("{node}.accounts")]
            .map(|name| keyring.folder.path().join(name))
    }
}

/// What whoever looks on should know of nodes that ask so.
pub(super) fn notices(access: Access) -> impl Iterator<Item = String> {
    let tls = access.tls.then(|| format!("{UNREADABLE}: nothing is counted of it"));
    let sasl = "the nodes speak the binary protocol alone (-sasl): a client in text waits for ever";
    tls.into_iter().chain(access.sasl.then(|| sasl.to_owned()))
}

/// Puts a new file in the place of the old one: who reads it gets the one or the other whole.
fn write(file: &Path, text: &str) -> Result<(), String> {
    let next = file.with_extension("next");
    let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, file));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// What does not go with nodes that ask something of who connects.
#[must_use]
pub fn refusal(nodes: &Nodes, elsewhere: bool, network: Network) -> Option<&'static str> {
    let Nodes { access, backend, protocol, others, discovery, .. } = nodes;
    match backend {
        _ if access.is_open() => None,
        _ if access.auth && access.sasl => {
            Some("a memcached asks for a password in one way; leave one of the two out")
        }
        Backend::Embedded if access.sasl => Some(
            "an embedded node speaks text, and SASL is the binary protocol's; write -nodes memcached",
        ),
        Backend::Servers(_) => Some(
            "the nodes of -servers run already, with certificates and passwords of their own; leave it out",
        ),
        _ if *protocol != Protocol::Memcached => {
            Some("only a memcached is asked for it so far; leave out -protocol")
        }
        _ if !others.is_empty() => {
            Some("it is for nodes that are all alike; leave out [[nodes.node]]")
        }
        _ if elsewhere => Some(
            "the certificates name our own proxies, and those elsewhere have addresses of their own; leave out -proxy or \
             -toxiproxy",
        ),
        _ if network == Network::Kernel => Some(
            "the certificates name this machine, and with -network kernel the proxies have other addresses; leave \
             it out",
        ),
        _ if access.tls && *discovery => Some(
            "our proxies tell the list of nodes that `discovery` in [nodes] asks for, and cannot within TLS; leave \
             it out",
        ),
        _ => None,
    }
}

/// Whether a lab like this can have such nodes.
pub(super) fn can(config: &LabConfig) -> Result<(), LabError> {
    let access = config.nodes.access;
    let refused = |why: &str| Err(LabError::Access(format!("{}: {why}", access.words())));
    match refusal(&config.nodes, config.elsewhere.is_some(), config.network) {
        Some(why) => refused(why),
        None if access.sasl && config.real_server(NodeIndex(0))?.is_none() => refused(
            "an embedded node speaks text, and there is no memcached on PATH, whose binary protocol has SASL; install it",
        ),
        None => Ok(()),
    }
}

/// Whether nodes like these can be made to do `action`.
pub(super) fn can_do(access: Access, action: NodeAction) -> Result<(), String> {
    match action {
        NodeAction::Certificate(_) if !access.tls => {
            Err("the nodes show no certificate; write -tls, or tls = true in [nodes]".to_owned())
        }
        NodeAction::Certificate(_) if access.sasl => {
            Err("a memcached reads its certificate again when it is told to in text, which with -sasl it does not \
                 speak; write -auth".to_owned())
        }
        NodeAction::Password if !access.has_password() => Err(
            "the nodes ask for no password; write -auth or -sasl, or auth = true or sasl = true in [nodes]".to_owned(),
        ),
        _ => Ok(()),
    }
}
