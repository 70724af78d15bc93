use super::*;
use proptest::prelude::*;

/// What a reader is to see, in one list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Close(Option<u16>),
}

#[derive(Debug, Clone)]
struct Sent {
    opcode: u8,
    last: bool,
    payload: Vec<u8>,
}

fn write(frames: &[Sent], masked: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for Sent { opcode, last, payload } in frames {
        out.push(u8::from(*last) << 7 | opcode);
        let bit = u8::from(masked) << 7;
        match payload.len() {
            short @ ..=125 => out.push(bit | short as u8),
            long @ ..=65_535 => {
                out.push(bit | 126);
                out.extend_from_slice(&(long as u16).to_be_bytes());
            }
            long => {
                out.push(bit | 127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = if masked { [7, 0x5a, 0, 0xff] } else { [0; 4] };
        if masked {
            out.extend_from_slice(&mask);
        }
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
    out
}

fn read_all<'a>(frames: &mut Frames, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Seen>, Malformed> {
    let (mut seen, mut text) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, part) = frames.read(rest)?;
            assert!(taken > 0, "it goes on");
            match part {
                Part::Nothing => {}
                Part::Text { payload, last } => {
                    text.extend_from_slice(payload);
                    if last {
                        seen.push(Seen::Text(std::mem::take(&mut text)));
                    }
                }
                Part::Close(code) => seen.push(Seen::Close(code)),
            }
            rest = &rest[taken..];
        }
    }
    Ok(seen)
}

/// Messages in fragments, with control frames between them, and what is to be seen of them.
fn stream() -> impl Strategy<Value = (Vec<Sent>, Vec<Seen>)> {
    let fragments = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4);
    let message = (any::<bool>(), fragments, any::<bool>());
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let (mut sent, mut seen) = (Vec::new(), Vec::new());
        for (is_text, fragments, ping) in messages {
            let count = fragments.len();
            if is_text {
                seen.push(Seen::Text(fragments.concat()));
            }
            for (at, payload) in fragments.into_iter().enumerate() {
                let first = if is_text { 1 } else { 2 };
                sent.push(Sent { opcode: if at == 0 { first } else { 0 }, last: at + 1 == count, payload });
                if ping && at + 1 < count {
                    sent.push(Sent { opcode: 9, last: true, payload: b"still there?".to_vec() });
                }
            }
        }
        sent.push(Sent { opcode: 8, last: true, payload: vec![3, 0xe8, b'x'] });
        seen.push(Seen::Close(Some(1000)));
        (sent, seen)
    })
}

proptest! {
    /// Where the network cuts the stream must not change what is read from it.
    #[test]
    fn cuts_do_not_matter((sent, want) in stream(), masked in any::<bool>(), cut in 1usize..40) {
        let bytes = write(&sent, masked);
        let mut frames = Frames::new(masked);
        let seen = read_all(&mut frames, bytes.chunks(cut));
        prop_assert!(frames.between_messages());
        prop_assert_eq!(seen.as_ref(), Ok(&want));
    }

    /// No bytes make it panic, and it always goes on.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), masked in any::<bool>()) {
        let mut frames = Frames::new(masked);
        let _ = read_all(&mut frames, std::iter::once(&bytes[..]));
    }
}

#[test]
fn what_no_peer_may_send_is_refused() {
    let cases: [(&str, &[u8], Malformed); 11] = [
        ("a reserved bit", &[0xc1], Malformed::Reserved),
        ("an unknown opcode", &[0x83], Malformed::Opcode),
        ("a fragmented ping", &[0x09], Malformed::Control),
        ("a long ping", &[0x89, 126], Malformed::Control),
        ("the rest of nothing", &[0x80], Malformed::Fragment),
        ("a message within a message", &[0x01, 1, b'a', 0x81], Malformed::Fragment),
        ("a mask of the server", &[0x81, 0x81], Malformed::Mask),
        ("a short length written long", &[0x81, 126, 0, 125], Malformed::Length),
        ("a length of 16 bits in 64", &[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Malformed::Length),
        ("a length of 64 bits", &[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Malformed::Length),
        ("a message of 1 GiB", &[0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0], Malformed::TooLong),
    ];
    for (name, bytes, want) in cases {
        let mut frames = Frames::of_server();
        assert_eq!(read_all(&mut frames, std::iter::once(bytes)), Err(want), "{name}");
    }
    let mut frames = Frames::of_client();
    assert_eq!(read_all(&mut frames, std::iter::once(&[0x81, 0x01][..])), Err(Malformed::Mask), "an unmasked client");
}

#[test]
fn a_frame_may_be_put_between_frames_and_a_message_between_messages() {
    let mut frames = Frames::of_server();
    assert!(frames.between_messages());
    for (piece, between_frames, between_messages) in
        [(&[0x01][..], false, false), (&[2, b'a'], false, false), (b"b", true, false), (&[0x80, 0], true, true)]
    {
        read_all(&mut frames, std::iter::once(piece)).expect("it is well formed");
        assert_eq!((frames.between_frames(), frames.between_messages()), (between_frames, between_messages));
    }
}

#[test]
fn our_own_frames_are_read_as_they_were_meant() {
    for length in [0, 125, 126, 65_535, 65_536] {
        let text = vec![b'x'; length];
        let bytes = [text_frame(&text), close_frame(1008, &"é".repeat(100))].concat();
        let mut frames = Frames::of_server();
        let seen = read_all(&mut frames, std::iter::once(&bytes[..]));
        assert_eq!(seen, Ok(vec![Seen::Text(text), Seen::Close(Some(1008))]), "{length}");
    }
}
