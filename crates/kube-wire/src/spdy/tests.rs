//! Frames written by hand from the specification. The compressed headers are zlib's own, made with
//! the dictionary of the specification.

use proptest::prelude::*;

use super::dictionary::{CHECKSUM, dictionary};
use super::headers::MAX_BYTES;
use super::inflate::Inflater;
use super::*;

/// zlib's compression of `{streamtype: error, port: 8080, requestid: 0}`, flushed.
const ERROR_HEADERS: &str = "78bbe3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45e01c60616061\
                             00a4398b20d198094ade8c0600000000ffff";
/// The block behind it in the same zlib stream: `{streamtype: data, port: 8080, requestid: 0}`.
const DATA_HEADERS: &str = "c2aa19540e2512d60b000000ffff";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn control(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x80, 3, 0, kind, flags], &length[1..], content].concat()
}

fn syn_stream(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let fields = [&stream.to_be_bytes()[..], &[0, 0, 0, 0, 0, 0], block].concat();
    control(1, flags, &fields)
}

fn data(stream: u8, fin: bool, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&[0, 0, 0, stream, u8::from(fin)], &length[1..], data].concat()
}

/// Headers without zlib's compression: stored blocks.
fn stored(headers: &[(&str, &str)], is_first: bool) -> Vec<u8> {
    let mut block = u32::try_from(headers.len()).unwrap().to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        block.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        block.extend(text.bytes());
    }
    let length = u16::try_from(block.len()).unwrap();
    let zlib: &[u8] = if is_first { &[0x78, 0x01] } else { &[] };
    [zlib, &[0], &length.to_le_bytes(), &(!length).to_le_bytes(), &block].concat()
}

fn events(session: &mut Session, bytes: &[u8]) -> Vec<Event> {
    session.push(bytes);
    std::iter::from_fn(|| session.next_event().unwrap()).collect()
}

fn failure(bytes: &[u8]) -> SpdyError {
    let mut session = Session::default();
    session.push(bytes);
    loop {
        match session.next_event() {
            Ok(event) => assert!(event.is_some(), "no error"),
            Err(error) => return error,
        }
    }
}

/// Adler-32 as RFC 1950 defines it.
fn adler(bytes: &[u8]) -> u32 {
    let sums = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    sums.1 << 16 | sums.0
}

#[test]
fn the_dictionary_is_the_one_of_the_specification() {
    assert_eq!(dictionary().len(), 1_423);
    assert_eq!(adler(&dictionary()).to_be_bytes(), CHECKSUM);
}

#[test]
fn kubectls_pair_of_streams_is_opened_and_closed() {
    let mut session = Session::default();
    let bytes = [
        syn_stream(1, 0, &hex(ERROR_HEADERS)),
        data(1, true, b""),
        syn_stream(3, 0, &hex(DATA_HEADERS)),
        data(3, false, b"GET /"),
        data(3, true, b" HTTP/1.0\r\n\r\n"),
        control(6, 0, &[0, 0, 0, 1]),
        control(6, 0, &[0, 0, 0, 2]),
    ]
    .concat();
    let expected = [
        Event::Opened(1, [("streamtype", "error"), ("port", "8080"), ("requestid", "0")].into()),
        Event::Ended(1),
        Event::Opened(3, [("streamtype", "data"), ("port", "8080"), ("requestid", "0")].into()),
        Event::Data(3, b"GET /".to_vec()),
        Event::Data(3, b" HTTP/1.0\r\n\r\n".to_vec()),
        Event::Ended(3),
        Event::Pong(1),
    ];
    assert_eq!(events(&mut session, &bytes), expected);
    assert_eq!(session.last(), 3);
    // The same bytes one by one: data comes in parts, nothing else differs.
    let mut session = Session::default();
    let mut seen = Vec::new();
    for byte in &bytes {
        for event in events(&mut session, &[*byte]) {
            match (seen.last_mut(), event) {
                (Some(Event::Data(3, before)), Event::Data(3, more)) => before.extend(more),
                (_, event) => seen.push(event),
            }
        }
    }
    let mut expected = expected.to_vec();
    expected.remove(4);
    expected[3] = Event::Data(3, b"GET / HTTP/1.0\r\n\r\n".to_vec());
    assert_eq!(seen, expected);
}

#[test]
fn headers_without_effect_are_part_of_the_compression() {
    // A HEADERS frame has the first block; the second refers back to it.
    let first = [&[0, 0, 0, 1][..], &hex(ERROR_HEADERS)].concat();
    for kind in [2, 8] {
        let bytes = [control(kind, 0, &first), syn_stream(1, 0, &hex(DATA_HEADERS))].concat();
        let opened = events(&mut Session::default(), &bytes);
        let [Event::Opened(1, headers)] = &opened[..] else { panic!("{opened:?}") };
        assert_eq!(headers.get("streamtype"), Some("data"));
    }
}

#[test]
fn frames_without_effect_are_skipped_whatever_their_size() {
    let bytes = [
        control(4, 1, &[0, 0, 0, 1, 1, 0, 0, 4, 0, 0, 0, 9]),
        control(9, 0, &[0, 0, 0, 1, 0, 1, 0, 0]),
        control(200, 0, &vec![7; 300_000]),
        syn_stream(1, 0, &hex(ERROR_HEADERS)),
    ]
    .concat();
    assert_eq!(events(&mut Session::default(), &bytes).len(), 1);
}

#[test]
fn streams_end_are_reset_and_are_forgotten() {
    let mut session = Session::default();
    let opened = events(&mut session, &syn_stream(1, 1, &stored(&[], true)));
    assert_eq!(opened, [Event::Opened(1, [].into()), Event::Ended(1)], "opened with FIN");
    let refused = events(&mut session, &data(1, false, b"x"));
    assert_eq!(refused, [Event::Refuse(1, ResetCode::AlreadyClosed)]);
    assert_eq!(events(&mut session, &data(1, false, b"x")), [], "it is forgotten");
    let unknown = events(&mut session, &data(9, false, b"x"));
    assert_eq!(unknown, [Event::Refuse(9, ResetCode::InvalidStream)]);
    let reset = control(3, 0, &[0, 0, 0, 3, 0, 0, 0, 5]);
    let bytes = [syn_stream(3, 0, &stored(&[], false)), reset.clone(), reset].concat();
    let aborted = events(&mut session, &bytes);
    assert_eq!(aborted, [Event::Opened(3, [].into()), Event::Aborted(3)]);
    events(&mut session, &syn_stream(5, 0, &stored(&[], false)));
    session.close(5);
    assert_eq!(events(&mut session, &data(5, true, b"x")), []);
    let away = [control(7, 0, &[0; 8]), syn_stream(7, 0, &stored(&[], false))].concat();
    assert_eq!(events(&mut session, &away), [Event::Refuse(7, ResetCode::RefusedStream)]);
}

#[test]
fn a_connection_has_a_limit_of_streams() {
    let mut session = Session::default();
    let open = |session: &mut Session, number: usize| {
        let stream = u32::try_from(2 * number + 1).unwrap();
        events(session, &syn_stream(stream, 0, &stored(&[], number == 0))).remove(0)
    };
    for number in 0..STREAMS {
        assert!(matches!(open(&mut session, number), Event::Opened(..)));
    }
    let refused = open(&mut session, STREAMS);
    assert_eq!(refused, Event::Refuse(513, ResetCode::RefusedStream));
    session.close(1);
    assert!(matches!(open(&mut session, STREAMS + 1), Event::Opened(..)));
}

#[test]
fn breaks_of_the_protocol_are_named() {
    let name = |name: &str| stored(&[(name, "x"), (name, "y")], true);
    let long = "x".repeat(MAX_BYTES + 1);
    let opened = syn_stream(3, 0, &stored(&[], true));
    let rows = [
        (vec![0x80, 2, 0, 1, 0, 0, 0, 0], SpdyError::Version(2)),
        (vec![0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff], SpdyError::FrameTooLarge(0x00ff_ffff)),
        (control(1, 0, &[0, 0, 0, 1]), SpdyError::FrameTooShort(1)),
        (control(6, 0, &[0]), SpdyError::FrameTooShort(6)),
        (syn_stream(2, 0, &stored(&[], true)), SpdyError::StreamNumber(2)),
        (
            [opened.clone(), syn_stream(1, 0, &stored(&[], false))].concat(),
            SpdyError::StreamNumber(1),
        ),
        ([opened, syn_stream(3, 0, &stored(&[], false))].concat(), SpdyError::StreamNumber(3)),
        (syn_stream(1, 0, b""), SpdyError::NotCompressed),
        (syn_stream(1, 0, &[0x78, 0x02]), SpdyError::NotCompressed),
        (syn_stream(1, 0, &[0x78, 0x01, 7, 7, 7]), SpdyError::NotCompressed),
        (syn_stream(1, 0, &[0x78, 0xbb, 1, 2, 3, 4]), SpdyError::UnknownDictionary),
        (syn_stream(1, 0, &name("a")), SpdyError::InvalidHeaders),
        (syn_stream(1, 0, &name("")), SpdyError::InvalidHeaders),
        (syn_stream(1, 0, &stored(&[("a", &long)], true)), SpdyError::FrameTooLarge(16_415)),
    ];
    for (bytes, error) in rows {
        assert_eq!(failure(&bytes), error);
    }
    let many: Vec<_> = (0..33).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(failure(&syn_stream(1, 0, &stored(&many, true))), SpdyError::HeadersTooLarge);
}

#[test]
fn headers_that_are_small_only_when_compressed_are_refused() {
    // A fixed Huffman block: the literal 0, then copies of 258 bytes at distance 1.
    let mut bits = Bits::default();
    bits.push(0b010, 3);
    bits.huffman(0b0011_0000, 8);
    for _ in 0..4_000 {
        bits.huffman(0b1100_0101, 8);
        bits.huffman(0, 5);
    }
    bits.huffman(0, 7);
    // The flush.
    bits.push(0, 3);
    let mut block = vec![0x78, 0x01];
    block.extend(bits.bytes);
    block.extend([0, 0, 0xff, 0xff]);
    assert!(block.len() < MAX_BYTES, "{}", block.len());
    assert_eq!(failure(&syn_stream(1, 0, &block)), SpdyError::HeadersTooLarge);
    let whole = Inflater::new().inflate(&block, 4_000 * 258 + 1).unwrap();
    assert_eq!(whole.len(), 4_000 * 258 + 1);
}

/// Bits of a deflate block, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Huffman codes begin with their highest bit.
    fn huffman(&mut self, code: u32, count: u32) {
        for bit in (0..count).rev() {
            self.push(code >> bit & 1, 1);
        }
    }
}

#[test]
fn the_servers_frames_are_those_of_the_specification() {
    let mut encoder = Encoder::default();
    let first = "80030002 00000014 00000001 7801 00 0400 fbff 00000000 00 0000 ffff";
    assert_eq!(encoder.reply(1), hex(first));
    let second = "80030002 00000012 00000003 00 0400 fbff 00000000 00 0000 ffff";
    assert_eq!(encoder.reply(3), hex(second));
    assert_eq!(encoder.data(3, b"ab"), hex("00000003 00000002 6162"));
    assert_eq!(encoder.end(3), hex("00000003 01000000"));
    assert_eq!(encoder.reset(3, ResetCode::Cancel), hex("80030003 00000008 00000003 00000005"));
    assert_eq!(encoder.ping(7), hex("80030006 00000004 00000007"));
    assert_eq!(encoder.go_away(3, false), hex("80030007 00000008 00000003 00000000"));
    assert_eq!(encoder.go_away(3, true), hex("80030007 00000008 00000003 00000001"));
    // Both header blocks are empty headers for a client that decompresses them.
    let mut inflater = Inflater::new();
    for reply in [Encoder::default().reply(1), encoder.reply(5)] {
        assert_eq!(inflater.inflate(&reply[12..], 100), Ok(vec![0; 4]));
    }
}

#[test]
fn headers_say_what_a_stream_is_for() {
    let command = |kind: &str| CommandStream::of(&[("streamtype", kind)].into());
    assert_eq!(command("resize"), Some(CommandStream::Resize));
    assert_eq!(command("other"), None);
    let forwarded = |headers: [(&str, &str); 3]| ForwardedStream::of(&headers.into());
    let stream = forwarded([("streamtype", "data"), ("port", "80"), ("requestid", "7")]);
    let request = Some("7".to_owned());
    assert_eq!(stream, Ok(ForwardedStream { part: ForwardedPart::Data, port: 80, request }));
    for (kind, port, wrong) in
        [("data", "0", "port"), ("data", "65536", "port"), ("x", "80", "streamType")]
    {
        let stream = forwarded([("streamtype", kind), ("port", port), ("requestid", "7")]);
        assert_eq!(stream, Err(wrong));
    }
}

#[test]
fn the_first_offered_version_that_is_served_is_used() {
    let kubectl = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io"];
    assert_eq!(CommandVersion::negotiate(kubectl), Ok((CommandVersion::V4, "v4.channel.k8s.io")));
    let older = CommandVersion::negotiate(["v2.channel.k8s.io, channel.k8s.io"]).unwrap();
    assert!(!older.0.has_resize() && !older.0.has_status());
    assert!(CommandVersion::negotiate(["v5.channel.k8s.io"]).unwrap_err().contains("v4."));
    assert!(CommandVersion::V3.has_resize() && !CommandVersion::V3.has_status());
    assert_eq!(port_forward_protocol(["x", "portforward.k8s.io"]), Ok("portforward.k8s.io"));
    assert!(port_forward_protocol(["v4.channel.k8s.io"]).is_err());
}

/// A valid connection, some of whose bytes are changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let valid = [
        control(4, 0, &[0, 0, 0, 0]),
        syn_stream(1, 0, &hex(ERROR_HEADERS)),
        syn_stream(3, 0, &hex(DATA_HEADERS)),
        data(3, false, b"hello"),
        control(6, 0, &[0, 0, 0, 1]),
        control(3, 0, &[0, 0, 0, 1, 0, 0, 0, 5]),
        data(3, true, b"end"),
    ]
    .concat();
    let changes = proptest::collection::vec((0..valid.len(), any::<u8>()), 0..6);
    changes.prop_map(move |changes| {
        let mut bytes = valid.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_it_panic_or_grow(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..400),
            damaged(),
            (damaged(), damaged()).prop_map(|(a, b)| [a, b].concat()),
        ],
        step in 1_usize..64,
    ) {
        let mut session = Session::default();
        let (mut returned, mut opened) = (0, 0_usize);
        'connection: for chunk in bytes.chunks(step) {
            session.push(chunk);
            loop {
                match session.next_event() {
                    Ok(Some(Event::Data(_, data))) => returned += data.len(),
                    Ok(Some(Event::Opened(..))) => opened += 1,
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'connection,
                }
            }
        }
        prop_assert!(returned <= bytes.len() && opened <= bytes.len());
    }

    #[test]
    fn headers_survive_whatever_is_inflated(block in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut inflater = Inflater::new();
        for begun in [vec![0x78, 0x01], vec![0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2], vec![]] {
            let output = inflater.inflate(&[&begun[..], &block].concat(), MAX_BYTES);
            prop_assert!(output.map_or(0, |output| output.len()) <= MAX_BYTES);
        }
    }
}
