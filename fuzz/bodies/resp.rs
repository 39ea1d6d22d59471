//! RESP: the bytes are what a client says, and what a server says.

use bytes::Bytes;
use harness::protocol::resp::frame::command::{Commands, Event, INLINE_BYTES_MAX, write_command};
use harness::protocol::resp::frame::scan::{DEPTH_MAX, LINE_BYTES_KEPT, Scanned, Scanner};
use harness::protocol::resp::frame::value::Value;
use harness::protocol::resp::frame::version::Version;

use super::memory::bounded;

/// How much of a command is kept: little, so that inputs are longer.
const KEEP: usize = 64;
/// What a level of a reply and a place of an argument cost.
const EACH: usize = 64;

/// What is found does not depend on the pieces, and takes memory by what came.
pub fn run(bytes: &[u8]) {
    for keep in [KEEP, usize::MAX] {
        let whole = commands(keep, [bytes]);
        assert_eq!(whole, commands(keep, bytes.chunks(1)), "commands cut into bytes");
        assert_eq!(whole, commands(keep, bytes.chunks(7)), "commands cut into sevens");
    }
    let whole = replies([bytes]);
    assert_eq!(whole, replies(bytes.chunks(1)), "replies cut into bytes");
    assert_eq!(whole, replies(bytes.chunks(7)), "replies cut into sevens");
    value(bytes);
}

fn commands<'a>(keep: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut commands = Commands::new(keep);
    let mut said = Vec::new();
    for mut piece in pieces {
        loop {
            match commands.next(&mut piece) {
                Ok(Some(event)) => {
                    if let Event::Command(command) | Event::Begun(command) = &event {
                        assert!(command.len() <= command.count());
                    }
                    if let Event::Command(command) = &event {
                        assert_eq!(command.len(), command.count(), "a whole command is shown");
                        let arguments: Vec<&[u8]> = command.arguments().collect();
                        said.push(format!("{arguments:?}"));
                        again(&arguments);
                    }
                    said.push(format!("{event:?}").len().min(1).to_string());
                }
                Ok(None) => break,
                Err(why) => {
                    said.push(why.message());
                    return said;
                }
            }
        }
        assert!(commands.held_bytes() <= keep.saturating_add(INLINE_BYTES_MAX));
    }
    said.push(commands.position().to_string());
    said
}

/// What was read is read so again when it is written.
fn again(arguments: &[&[u8]]) {
    let mut out = Vec::new();
    write_command(&mut out, arguments);
    let (mut commands, mut rest) = (Commands::new(usize::MAX), &out[..]);
    let Ok(Some(Event::Command(command))) = commands.next(&mut rest) else {
        panic!("a command that was written is none");
    };
    assert!(command.arguments().eq(arguments.iter().copied()));
}

fn replies<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut scanner = Scanner::new();
    let (mut said, mut at) = (Vec::new(), 0);
    for mut piece in pieces {
        let mut quiet = scanner.clone();
        bounded(piece.len(), 2 * LINE_BYTES_KEPT + 4 * DEPTH_MAX * EACH, 0, || {
            let mut piece = piece;
            while let Ok(Some(_)) = quiet.next(&mut piece) {}
        });
        loop {
            match scanner.next(&mut piece) {
                Ok(Some(found)) => {
                    if let Scanned::End(end) = found {
                        assert!(at <= end.start && end.start < end.end, "replies go on");
                        at = end.end;
                    }
                    said.push(format!("{found:?}"));
                }
                Ok(None) => break,
                Err(why) => {
                    said.push(format!("{why:?}"));
                    return said;
                }
            }
        }
        assert!(scanner.held_bytes() <= LINE_BYTES_KEPT);
    }
    said.push(scanner.position().to_string());
    said
}

/// A value that is read ends where the scanner ends it, and is the same once it was said.
fn value(bytes: &[u8]) {
    let Some((value, length)) = Value::read(&Bytes::copy_from_slice(bytes)) else { return };
    let (mut scanner, mut rest) = (Scanner::new(), &bytes[..length]);
    let mut end = None;
    while let Ok(Some(found)) = scanner.next(&mut rest) {
        if let Scanned::End(found) = found {
            end = Some(found.end);
        }
    }
    assert_eq!(end, Some(length as u64), "both end it in the same place");
    let mut out = Vec::new();
    value.write(Version::Resp3, &mut out);
    let out = Bytes::from(out);
    let again = Value::read(&out).map(|(value, _)| value);
    let mut twice = Vec::new();
    again.expect("what was said is read").write(Version::Resp3, &mut twice);
    assert_eq!(out, twice, "said again");
}
