//! Commands in whole and in pieces, and what is none.

use proptest::prelude::*;

use super::*;

/// What is shown of a stream that comes in pieces of these lengths, and what it ends with.
fn shown(keep: usize, stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut commands = Commands::new(keep);
    let (mut told, mut rest, mut cuts) = (Vec::new(), stream, cuts.iter().cycle());
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        rest = behind;
        loop {
            match commands.next(&mut piece) {
                Ok(Some(event)) => told.push(words(&event)),
                Ok(None) => break,
                Err(why) => {
                    told.push(format!("{why:?}"));
                    return told;
                }
            }
        }
        assert!(piece.is_empty() && commands.held_bytes() <= keep.saturating_add(INLINE_BYTES_MAX));
    }
    told.push(format!("{} at {}", commands.is_at_boundary(), commands.position()));
    told
}

fn words(event: &Event<'_>) -> String {
    let (sort, command) = match event {
        Event::Command(command) => ("whole", command),
        Event::Begun(command) => ("begun", command),
        Event::Ended { end } => return format!("ended {end}"),
    };
    let arguments: Vec<_> = command.arguments().map(|it| it.escape_ascii().to_string()).collect();
    let (start, end, count) = (command.start, command.end, command.count());
    format!("{sort} {start}..{end:?} of {count}: {}", arguments.join("|"))
}

/// Catches an argument that is taken for a line or for another's, an empty command that is taken for a
/// request, and the forms that the server takes.
#[test]
fn commands_are_shown_with_their_arguments() {
    let stream = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n\r\n*0\r\n*-1\r\nGET \"k k\"\r\n*1\r\n$4\r\nPING\r\n";
    let expected = [
        "whole 0..Some(30) of 3: SET|k|a\\r\\nb",
        "whole 41..Some(52) of 2: GET|k k",
        "whole 52..Some(66) of 1: PING",
        "true at 66",
    ];
    for cut in [1, 2, 3, 7, 100] {
        assert_eq!(shown(usize::MAX, stream, &[cut]), expected, "in pieces of {cut}");
    }
}

/// Catches a value that is gathered although it is too long, arguments behind it that are taken for a
/// command, and an end that is known and not told.
#[test]
fn of_a_long_command_only_the_beginning_is_kept() {
    let value = "x".repeat(100);
    let stream = format!(
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n{value}\r\n*4\r\n$3\r\nSET\r\n$1\r\nj\r\n$100\r\n{value}\r\n$2\r\nNX\r\n*1\r\n$4\r\nPING\r\n"
    );
    let expected = [
        "begun 0..Some(128) of 3: SET|k",
        "ended 128",
        "begun 128..None of 4: SET|j",
        "ended 264",
        "whole 264..Some(278) of 1: PING",
        "true at 278",
    ];
    for cut in [1, 5, 64, 1000] {
        assert_eq!(shown(64, stream.as_bytes(), &[cut]), expected, "in pieces of {cut}");
    }
}

/// Catches bytes that are taken for a command although the server closes on them.
#[test]
fn what_the_server_closes_on_is_malformed() {
    let long = "1".repeat(INLINE_BYTES_MAX + 1);
    for (stream, why) in [
        ("*x\r\n".to_owned(), "MultibulkLength"),
        ("*2147483648\r\n".to_owned(), "MultibulkLength"),
        ("*1\r\n+OK\r\n".to_owned(), "ExpectedDollar(43)"),
        ("*1\r\n\r\n".to_owned(), "ExpectedDollar(13)"),
        ("*1\r\n$-1\r\n".to_owned(), "BulkLength"),
        ("*1\r\n$536870913\r\n".to_owned(), "BulkLength"),
        (format!("*{long}"), "BigCount"),
        (format!("*1\r\n${long}"), "BigBulkCount"),
        (format!("g{long}"), "BigInline"),
        ("GET \"k\r\n".to_owned(), "UnbalancedQuotes"),
    ] {
        for cut in [1, 3, 1 << 20] {
            assert_eq!(shown(usize::MAX, stream.as_bytes(), &[cut]).last().unwrap(), why);
        }
    }
}

proptest! {
    /// Catches a cut between two chunks that changes what is shown, and a panic on bytes of any kind.
    #[test]
    fn chunks_change_nothing(
        stream in proptest::collection::vec(
            prop_oneof![
                "\\*[0-3]\r\n", "\\$[0-9]\r\n", "[a-z]{0,9}\r\n", "[\"' a-z\\\\x0-9]{0,9}\n",
                Just("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_owned()), "\\PC{0,5}",
            ],
            0..12,
        ),
        cuts in proptest::collection::vec(1_usize..9, 1..9),
        keep in 0_usize..40,
    ) {
        let stream = stream.concat();
        let whole = shown(keep, stream.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(shown(keep, stream.as_bytes(), &cuts), whole);
    }

    /// Catches a command that is not read as it was written.
    #[test]
    fn what_is_written_is_read(arguments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6)) {
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        write_command(&mut out, &arguments);
        let mut commands = Commands::new(usize::MAX);
        let mut rest = &out[..];
        let Ok(Some(Event::Command(command))) = commands.next(&mut rest) else { panic!() };
        prop_assert!(command.arguments().eq(arguments.iter().copied()));
    }
}
