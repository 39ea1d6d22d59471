//! Binary packets, written and spelled out.

/// A request packet.
pub(super) fn request(opcode: u8, opaque: u32, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
    let body = u32::try_from(extras.len() + key.len() + value.len()).unwrap();
    let mut packet = vec![0x80, opcode];
    packet.extend(u16::try_from(key.len()).unwrap().to_be_bytes());
    packet.extend([u8::try_from(extras.len()).unwrap(), 0, 0, 0]);
    packet.extend(body.to_be_bytes());
    packet.extend(opaque.to_be_bytes());
    packet.extend([0; 8]);
    [&packet[..], extras, key.as_bytes(), value.as_bytes()].concat()
}

/// Every reply packet as `[opcode status opaque body]`, without its bracket when it ends too early,
/// in round ones when its magic byte is wrong, and what is no packet in braces. NUL is a dot.
pub(super) fn spell(mut bytes: &[u8]) -> String {
    let mut all = String::new();
    while bytes.len() >= 24 && matches!(bytes[0], 0x81 | 0xd4) {
        let number = |from: usize| u32::from_be_bytes(bytes[from..from + 4].try_into().unwrap());
        let status = u16::from_be_bytes([bytes[6], bytes[7]]);
        let (open, close) = if bytes[0] == 0x81 { ("[", "]") } else { ("(", ")") };
        all += &format!("{open}{} {status} {} ", bytes[1], number(12));
        let body = usize::try_from(number(8)).unwrap();
        let here = body.min(bytes.len() - 24);
        all.extend(bytes[24..24 + here].iter().map(|byte| readable(*byte)));
        if here == body {
            all += close;
        }
        bytes = &bytes[24 + here..];
    }
    if !bytes.is_empty() {
        all.push('{');
        let packet = bytes.windows(24).position(|window| window[0] == 0x81);
        let (garbage, rest) = bytes.split_at(packet.unwrap_or(bytes.len()));
        all.extend(garbage.iter().map(|byte| readable(*byte)));
        all.push('}');
        all += &spell(rest);
    }
    all
}

fn readable(byte: u8) -> char {
    if byte == 0 { '.' } else { char::from(byte) }
}
