//! A command, or an application that somebody else starts, that makes the calls itself; and what a command
//! finds in its environment.

use std::ffi::OsString;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::memcached::program::{AUTHORITY_VARIABLE, PASSWORD_VARIABLE, USER_VARIABLE};
use crate::protocol::resp::program::URL_VARIABLE;
use crate::secure::access::{Access, Invitation};
use crate::secure::account::Account;

/// The variable that names the file which holds the phase's name at any time.
pub const PHASE_FILE_VARIABLE: &str = "HARNESS_PHASE_FILE";

/// What the variable ends with that names the file which has the list of nodes at any time, `host:port` one a
/// line; it begins as that of the servers.
const FILE: &str = "_FILE";

/// The variable that names the control API. It is the one that `ctl` and toxiproxy-cli read.
pub const TOXIPROXY_VARIABLE: &str = "TOXIPROXY_URL";

/// A command or an application in the place of our client and our load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPlan {
    /// The program, by name or path; `None`: an application that somebody else starts.
    pub program: Option<OsString>,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What its environment has besides the usual variables.
    pub variables: Vec<Variable>,
    /// How long its traffic is waited for; `None`: as long as the warm-up is, or as long as it takes
    /// where somebody else starts it.
    pub settle: Option<Duration>,
    /// Whether the timeline begins again until the command ends. Otherwise the command is ended with it.
    pub repeats: bool,
}

impl CommandPlan {
    /// Whether it is ours to start.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.program.is_some()
    }
}

/// A variable of the environment, with what is known only when the lab is up left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    value: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// All servers, with this between them.
    Servers(&'static str),
    /// Of the server with this number: its address, host or port.
    Server(u16),
    Host(u16),
    Port(u16),
    ToxiproxyUrl,
    PhaseFile,
    ServersFile,
    Authority,
    User,
    Password,
}

/// What a lab that is up has to tell.
#[derive(Clone, Debug)]
pub struct Places {
    /// The proxies, `host:port` each.
    pub servers: Vec<String>,
    /// Those that are in the list of nodes at first, in its order.
    pub listed: Vec<String>,
    /// The control API.
    pub toxiproxy_url: String,
    /// The file with the phase's name.
    pub phase_file: String,
    /// The file with the list of nodes.
    pub servers_file: String,
    /// What the nodes ask of who connects.
    pub invitation: Invitation,
}

/// What a template may hold, as errors say it.
const KNOWN: &str = "{servers} (with commas), {servers_space}, {server_1}, {host_1}, {port_1}, \
                     {toxiproxy_url}, {phase_file} and {servers_file}; {{ is a brace";

impl Variable {
    fn of(name: impl Into<String>, piece: Piece) -> Self {
        Self { name: name.into(), value: vec![piece] }
    }

    /// All servers.
    #[must_use]
    pub fn servers(protocol: Protocol) -> Self {
        Self::of(protocol.servers_variable(), Piece::Servers(","))
    }

    /// The control API.
    #[must_use]
    pub fn toxiproxy() -> Self {
        Self::of(TOXIPROXY_VARIABLE, Piece::ToxiproxyUrl)
    }

    /// What a client needs that is asked for it.
    pub fn of_access(access: Access) -> impl Iterator<Item = Self> {
        let of = |(name, piece): (&str, Piece)| Self::of(name, piece);
        let tls = access.tls.then_some((AUTHORITY_VARIABLE, Piece::Authority));
        let auth = [(USER_VARIABLE, Piece::User), (PASSWORD_VARIABLE, Piece::Password)];
        tls.into_iter().chain(auth.into_iter().filter(move |_| access.has_password())).map(of)
    }

    /// What every command is told about a lab of so many nodes.
    pub fn usual(protocol: Protocol, nodes: u16, access: Access) -> impl Iterator<Item = Self> {
        let server = move |number| {
            Self::of(format!("{}{number}", protocol.server_variable()), Piece::Server(number))
        };
        let url = (protocol == Protocol::Resp).then(|| Self {
            name: URL_VARIABLE.to_owned(),
            value: vec![Piece::Text("redis://".to_owned()), Piece::Server(1)],
        });
        let rest = [
            Self::of(format!("{}{FILE}", protocol.servers_variable()), Piece::ServersFile),
            Self::toxiproxy(),
            Self::of(PHASE_FILE_VARIABLE, Piece::PhaseFile),
        ];
        let servers = std::iter::once(Self::servers(protocol)).chain(url);
        servers.chain((1..=nodes).map(server)).chain(Self::of_access(access)).chain(rest)
    }

    /// Reads `NAME=TEMPLATE`.
    ///
    /// # Errors
    /// What is wrong with it, and what may be written.
    pub fn read(text: &str) -> Result<Self, String> {
        let (name, template) =
            text.split_once('=').ok_or("write NAME=TEMPLATE, such as CACHE_URL={server_1}")?;
        if name.is_empty() || name.contains('\0') {
            return Err("the name before `=` is missing".to_owned());
        }
        Ok(Self { name: name.to_owned(), value: pieces(template)? })
    }

    /// Whether a lab of so many nodes has what the variable names.
    ///
    /// # Errors
    /// Which node there is none of.
    pub fn check(&self, nodes: u16) -> Result<(), String> {
        let of = |piece: &Piece| match piece {
            Piece::Server(number) | Piece::Host(number) | Piece::Port(number) => Some(*number),
            _ => None,
        };
        match self.value.iter().filter_map(of).find(|number| !(1..=nodes).contains(number)) {
            Some(number) => Err(format!(
                "the variable {} names server {number}, and the servers are 1 to {nodes}",
                self.name
            )),
            None => Ok(()),
        }
    }

    /// Its value in a lab that has what it names.
    #[must_use]
    pub fn value(&self, places: &Places) -> String {
        let server = |number: u16| {
            let place = usize::from(number).checked_sub(1);
            place.and_then(|place| places.servers.get(place)).map_or("", String::as_str)
        };
        let halves = |number| server(number).rsplit_once(':').unwrap_or_default();
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Servers(between) => places.listed.join(between),
            Piece::Server(number) => server(*number).to_owned(),
            Piece::Host(number) => halves(*number).0.trim_matches(['[', ']']).to_owned(),
            Piece::Port(number) => halves(*number).1.to_owned(),
            Piece::ToxiproxyUrl => places.toxiproxy_url.clone(),
            Piece::PhaseFile => places.phase_file.clone(),
            Piece::ServersFile => places.servers_file.clone(),
            Piece::Authority => {
                let file = places.invitation.authority.as_ref();
                file.map(|file| file.display().to_string()).unwrap_or_default()
            }
            Piece::User => of_account(places, |account| &account.user),
            Piece::Password => of_account(places, |account| &account.password),
        };
        self.value.iter().map(text).collect()
    }
}

fn of_account(places: &Places, half: impl Fn(&Account) -> &String) -> String {
    places.invitation.account.as_ref().map(|account| half(account).clone()).unwrap_or_default()
}

fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(place) = rest.find(['{', '}']) {
        let (before, found) = rest.split_at(place);
        text.push_str(before);
        if let Some(after) = found.strip_prefix("{{").or_else(|| found.strip_prefix("}}")) {
            text.push_str(&found[..1]);
            rest = after;
            continue;
        }
        let word = found.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((word, after)) = word else {
            return Err(format!("a brace in `{template}` has no other half; known are {KNOWN}"));
        };
        let piece = piece(word)
            .ok_or_else(|| format!("there is no {{{word}}} to fill in; known are {KNOWN}"))?;
        pieces.extend([Piece::Text(std::mem::take(&mut text)), piece]);
        rest = after;
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

fn piece(word: &str) -> Option<Piece> {
    let number = |prefix| word.strip_prefix(prefix).and_then(|number: &str| number.parse().ok());
    match word {
        "servers" => Some(Piece::Servers(",")),
        "servers_space" => Some(Piece::Servers(" ")),
        "toxiproxy_url" => Some(Piece::ToxiproxyUrl),
        "phase_file" => Some(Piece::PhaseFile),
        "servers_file" => Some(Piece::ServersFile),
        _ => number("server_")
            .map(Piece::Server)
            .or_else(|| number("host_").map(Piece::Host))
            .or_else(|| number("port_").map(Piece::Port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            servers: vec!["127.0.0.1:21211".to_owned(), "[::1]:21212".to_owned()],
            listed: vec!["127.0.0.1:21211".to_owned(), "[::1]:21212".to_owned()],
            toxiproxy_url: "http://127.0.0.1:8474".to_owned(),
            phase_file: "/tmp/x/phase".to_owned(),
            servers_file: "/tmp/x/servers".to_owned(),
            invitation: Invitation::default(),
        }
    }

    /// Catches a template that is filled in wrongly, and braces that are lost.
    #[test]
    fn templates_are_filled_in() {
        for (template, expected) in [
            ("A=", ""),
            ("A=plain=text", "plain=text"),
            ("A={servers}", "127.0.0.1:21211,[::1]:21212"),
            ("A={servers_space}", "127.0.0.1:21211 [::1]:21212"),
            ("A=memcached://{server_1}/0", "memcached://127.0.0.1:21211/0"),
            ("A={host_1} {port_1}", "127.0.0.1 21211"),
            ("A={host_2} {port_2}", "::1 21212"),
            ("A={toxiproxy_url} {phase_file}", "http://127.0.0.1:8474 /tmp/x/phase"),
            ("A={servers_file}", "/tmp/x/servers"),
            ("A={{\"hosts\": \"{servers}\"}}", "{\"hosts\": \"127.0.0.1:21211,[::1]:21212\"}"),
        ] {
            assert_eq!(Variable::read(template).unwrap().value(&places()), expected, "{template}");
        }
    }

    /// Catches a template that cannot be filled in and is taken all the same.
    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for (text, why) in [
            ("A", "write NAME=TEMPLATE"),
            ("=x", "the name before `=` is missing"),
            ("A={server}", "there is no {server} to fill in"),
            ("A={server_x}", "there is no {server_x} to fill in"),
            ("A={servers", "has no other half"),
            ("A=servers}", "has no other half"),
        ] {
            let refused = Variable::read(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        for (text, fine) in [("A={port_3}", true), ("A={port_4}", false), ("A={host_0}", false)] {
            assert_eq!(Variable::read(text).unwrap().check(3).is_ok(), fine, "{text}");
        }
    }

    /// Catches a server that the usual variables leave out.
    #[test]
    fn the_usual_variables_name_every_server() {
        let told: Vec<String> = Variable::usual(Protocol::Memcached, 2, Access::default())
            .map(|variable| format!("{}={}", variable.name, variable.value(&places())))
            .collect();
        assert_eq!(
            told,
            [
                "MEMCACHED_SERVERS=127.0.0.1:21211,[::1]:21212",
                "MEMCACHED_SERVER_1=127.0.0.1:21211",
                "MEMCACHED_SERVER_2=[::1]:21212",
                "MEMCACHED_SERVERS_FILE=/tmp/x/servers",
                "TOXIPROXY_URL=http://127.0.0.1:8474",
                "HARNESS_PHASE_FILE=/tmp/x/phase",
            ]
        );
        let names: Vec<String> = Variable::usual(Protocol::Resp, 1, Access::default())
            .map(|variable| variable.name)
            .collect();
        let expected = ["REDIS_NODES", "REDIS_URL", "REDIS_NODE_1", "REDIS_NODES_FILE"];
        assert_eq!(names[..4], expected);
    }
}
