//! What reads bytes: strict JSON, server-sent events, Amazon's event stream.

use super::{config, corpus::seeds, mutate::mutants};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::de::IgnoredAny;
use weighbridge::dialect::strict;
use weighbridge::sse::{AwsScanner, SseEvent, SseScanner};

/// Longest unfinished event.
const LONGEST: usize = 1 << 16;

/// `bytes` in pieces that begin at `cuts` (shares of the length, in 65,536ths).
fn pieces(bytes: &[u8], cuts: &[u16]) -> Vec<Bytes> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| usize::from(*cut) * bytes.len() / 65_536).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])).collect()
}

/// Events, and whether nothing was wrong.
fn scanned(pieces: &[Bytes]) -> (Vec<SseEvent>, bool) {
    let (mut scanner, mut events) = (SseScanner::new(LONGEST), Vec::new());
    let whole = pieces.iter().all(|piece| scanner.push(piece, &mut events).is_ok());
    events.extend(scanner.finish().filter(|_| whole));
    (events, whole)
}

fn messages(pieces: &[Bytes]) -> (Vec<SseEvent>, bool) {
    let (mut scanner, mut events) = (AwsScanner::new(LONGEST), Vec::new());
    let whole = pieces.iter().all(|piece| scanner.push(piece, &mut events).is_ok());
    (events, whole)
}

fn raw(events: &[SseEvent]) -> Vec<u8> {
    events.iter().flat_map(|event| event.raw.iter().copied()).collect()
}

/// The events that say something.
fn said(events: &[SseEvent]) -> Vec<&[u8]> {
    events.iter().filter(|event| event.has_data).map(|event| event.data.as_ref()).collect()
}

#[test]
fn what_is_strictly_read_is_json_and_its_members_are_where_they_are_said_to_be() {
    let bodies = mutants(seeds(&["fixtures", "corpora"], &[".json"]));
    let run = TestRunner::new(config(2000)).run(&bodies, |body| {
        match strict::check(&body) {
            Ok(_) => {
                let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&body);
                prop_assert!(read.is_ok(), "{read:?}");
            }
            Err(fault) => prop_assert!(!fault.to_string().is_empty(), "a refusal says why"),
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_stream_says_the_same_whatever_the_cuts_and_loses_no_byte() {
    let cases = (mutants(seeds(&["fixtures", "corpora"], &[".sse"])), proptest::collection::vec(any::<u16>(), 0..12));
    let run = TestRunner::new(config(1500)).run(&cases, |(bytes, cuts)| {
        let (one, whole) = scanned(&pieces(&bytes, &[]));
        let (many, also) = scanned(&pieces(&bytes, &cuts));
        if whole && also {
            prop_assert_eq!(raw(&one), bytes.clone(), "every byte is in one event");
            prop_assert_eq!(raw(&many), bytes, "every byte is in one event");
            prop_assert_eq!(said(&one), said(&many));
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn messages_of_amazon_say_the_same_whatever_the_cuts() {
    let framed: Vec<_> = seeds(&["bedrock"], &[".json"]).iter().map(|payload| message(payload)).collect();
    let cases = (mutants(framed), proptest::collection::vec(any::<u16>(), 0..12));
    let run = TestRunner::new(config(1500)).run(&cases, |(bytes, cuts)| {
        let (one, whole) = messages(&pieces(&bytes, &[]));
        let (many, also) = messages(&pieces(&bytes, &cuts));
        prop_assert_eq!(whole, also);
        prop_assert_eq!(said(&one), said(&many));
        for event in one.iter().filter(|event| event.has_data) {
            // The checksum holds: nothing of a message that was changed comes through.
            let json = serde_json::from_slice::<IgnoredAny>(&event.data);
            prop_assert!(json.is_ok(), "{:?}", event.data);
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

/// `payload` as two messages of Amazon's event stream.
fn message(payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (key, value) in [(":message-type", "event"), (":event-type", "contentBlockDelta")] {
        headers.push(u8::try_from(key.len()).expect("short"));
        headers.extend_from_slice(key.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let mut out = Vec::new();
    let total = u32::try_from(16 + headers.len() + payload.len()).expect("short");
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&u32::try_from(headers.len()).expect("short").to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.repeat(2)
}
