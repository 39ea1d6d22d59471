//! What is said about the connection itself.

use super::{Call, Done, Refusal, unknown_second};
use crate::protocol::resp::frame::value::Value;
use crate::protocol::resp::frame::version::Version;
use crate::protocol::resp::server::VERSION;
use crate::protocol::resp::server::state::Replies;

/// The only user that there is; nobody needs a password for it.
const USER: &[u8] = b"default";
const WRONG_PASSWORD: Refusal =
    Refusal::of("WRONGPASS invalid username-password pair or user is disabled.");

pub(super) fn ping(call: &mut Call<'_>) -> Done {
    match call.count() {
        1 => call.answer.simple("PONG"),
        2 => call.answer.bytes(call.word(1)),
        _ => return Err(Refusal::arguments(call.name)),
    }
    Ok(())
}

pub(super) fn echo(call: &mut Call<'_>) -> Done {
    call.answer.bytes(call.word(1));
    Ok(())
}

pub(super) fn quit(call: &mut Call<'_>) -> Done {
    call.answer.ok();
    call.state.close();
    Ok(())
}

pub(super) fn reset(call: &mut Call<'_>) -> Done {
    call.state.version = Version::Resp2;
    call.state.name.clear();
    if call.state.replies == Replies::None {
        call.state.replies = Replies::All;
    }
    call.answer.simple("RESET");
    Ok(())
}

pub(super) fn select(call: &mut Call<'_>) -> Done {
    let index = call.integer(1)?;
    if i32::try_from(index).is_err() {
        let (least, most) = (i32::MIN, i32::MAX);
        let line = format!("ERR value is out of range, value must between {least} and {most}");
        return Err(Refusal::saying(line));
    }
    if index != 0 {
        return Err(Refusal::of("ERR DB index is out of range"));
    }
    call.answer.ok();
    Ok(())
}

pub(super) fn auth(call: &mut Call<'_>) -> Done {
    match call.count() {
        2 => Err(Refusal::of(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure \
             your configuration is correct?",
        )),
        3 if call.word(1) == USER => {
            call.answer.ok();
            Ok(())
        }
        3 => Err(WRONG_PASSWORD),
        _ => Err(Refusal::SYNTAX),
    }
}

pub(super) fn hello(call: &mut Call<'_>) -> Done {
    let no_number = "ERR Protocol version is not an integer or out of range";
    let version = match call.count() {
        1 => call.state.version,
        _ => match call.integer(1).map_err(|_| Refusal::of(no_number))? {
            2 => Version::Resp2,
            3 => Version::Resp3,
            _ => return Err(Refusal::of("NOPROTO unsupported protocol version")),
        },
    };
    let (mut user, mut name, mut place) = (None, None, 2);
    while place < call.count() {
        let behind = call.count() - 1 - place;
        if call.is(place, "AUTH") && behind >= 2 {
            (user, place) = (Some(call.word(place + 1)), place + 3);
        } else if call.is(place, "SETNAME") && behind >= 1 {
            (name, place) = (Some(call.word(place + 1)), place + 2);
        } else {
            let word = call.word(place).split(|byte| *byte == 0).next().unwrap_or_default();
            let parts = [b"ERR Syntax error in HELLO option '", word, b"'"];
            return Err(Refusal::saying(parts.concat()));
        }
    }
    if user.is_some_and(|user| user != USER) {
        return Err(WRONG_PASSWORD);
    }
    if let Some(name) = name {
        set_name(call, name)?;
    }
    call.state.version = version;
    call.answer.version = version;
    let text = |text: &'static str| Value::Bulk(text.as_bytes().into());
    let id = i64::try_from(call.state.id).unwrap_or(i64::MAX);
    call.answer.say(&Value::Map(vec![
        (text("server"), text("redis")),
        (text("version"), text(VERSION)),
        (text("proto"), Value::Integer(if version == Version::Resp3 { 3 } else { 2 })),
        (text("id"), Value::Integer(id)),
        (text("mode"), text("standalone")),
        (text("role"), text("master")),
        (text("modules"), Value::Array(Vec::new())),
    ]));
    Ok(())
}

/// A second word of `CLIENT`, how many words there are with it, what is done.
type Second = (&'static str, usize, fn(&mut Call<'_>) -> Done);

const OF_CLIENT: [Second; 4] =
    [("id", 2, id), ("getname", 2, get_name), ("setname", 3, set_client_name), ("reply", 3, reply)];

pub(super) fn client(call: &mut Call<'_>) -> Done {
    let Some((name, words, run)) = OF_CLIENT.into_iter().find(|(name, ..)| call.is(1, name)) else {
        return Err(unknown_second(call, "client"));
    };
    if call.count() != words {
        return Err(Refusal::arguments(&format!("client|{name}")));
    }
    run(call)
}

fn id(call: &mut Call<'_>) -> Done {
    call.answer.integer(i64::try_from(call.state.id).unwrap_or(i64::MAX));
    Ok(())
}

fn get_name(call: &mut Call<'_>) -> Done {
    if call.state.name.is_empty() {
        call.answer.null();
    } else {
        call.answer.bytes(&call.state.name);
    }
    Ok(())
}

fn set_client_name(call: &mut Call<'_>) -> Done {
    set_name(call, call.word(2))?;
    call.answer.ok();
    Ok(())
}

fn set_name(call: &mut Call<'_>, name: &[u8]) -> Done {
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::of(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ));
    }
    call.state.name = name.to_vec();
    Ok(())
}

/// `ON` is answered, `OFF` and `SKIP` are not.
fn reply(call: &mut Call<'_>) -> Done {
    if call.is(2, "ON") {
        call.state.replies = Replies::All;
        call.answer.ok();
    } else if call.is(2, "OFF") {
        call.state.replies = Replies::None;
    } else if call.is(2, "SKIP") {
        if call.state.replies != Replies::None {
            call.state.replies = Replies::NotNext;
        }
    } else {
        return Err(Refusal::SYNTAX);
    }
    Ok(())
}
