use super::files::{Family, Terms, list};
use super::{
    Content, ContentLog, Find, Follow, Janitor, Keep, Keeper, Kept, Live, Place, Reader, Record, RecordsMetrics,
    Redactor, Side, Stream, Text,
};
use crate::{
    model::{Api, Clock, RequestId},
    telemetry::Tap as _,
};
use prometheus::Registry;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// 2026-11-28T05:42:00Z.
const NOW: u64 = 1_795_844_520_000_000;

struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A directory with a clock that is set by hand.
struct Shop {
    dir: TempDir,
    clock: Arc<Hand>,
    metrics: RecordsMetrics,
    registry: Registry,
    terms: Terms,
}

impl Shop {
    fn new(file_bytes: u64) -> Self {
        let dir = TempDir::new().expect("a directory");
        let registry = Registry::new();
        let terms = Terms {
            dir: dir.path().join("records"),
            file_bytes,
            file_age: Duration::from_secs(3_600),
            keep_for: Duration::from_secs(7 * 86_400),
            keep_bytes: 1 << 30,
        };
        let metrics = RecordsMetrics::register(&registry).expect("metrics");
        Self { dir, clock: Arc::new(Hand(AtomicU64::new(NOW))), metrics, registry, terms }
    }

    fn janitor(&self) -> Janitor {
        Janitor::start(self.terms.clone(), Arc::clone(&self.clock) as _, &self.metrics).expect("a thread")
    }

    fn keeper(&self, janitor: &Janitor) -> Keeper {
        let clock = Arc::clone(&self.clock) as _;
        Keeper::new(self.terms.clone(), Family::Requests, clock, &self.metrics, janitor.waker())
    }

    fn reader(&self) -> Reader {
        Reader::new(self.terms.dir.clone())
    }

    fn files(&self) -> Vec<String> {
        let files = list(&self.terms.dir, Family::Requests).expect("listed");
        files.iter().map(|file| file.path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
    }

    fn metric(&self, name: &str) -> f64 {
        let family = self.registry.gather().into_iter().find(|family| family.name() == name).expect("a metric");
        let of = |metric: &prometheus::proto::Metric| metric.get_counter().get_value() + metric.get_gauge().get_value();
        family.get_metric().iter().find(|metric| metric.get_label()[0].value() == "requests").map_or(0.0, of)
    }

    /// Waits until all files but the last are closed.
    fn closed(&self, but: usize) -> Vec<String> {
        loop {
            let files = self.files();
            if files.iter().filter(|file| !file.ends_with(".zst")).count() <= but {
                return files;
            }
            std::thread::yield_now();
        }
    }
}

fn id(number: u64) -> RequestId {
    RequestId((u128::from(NOW / 1_000 + number) << 80) | u128::from(number))
}

/// A line as the access log writes it; each arrives a millisecond after the one before.
fn line(number: u64) -> String {
    let time = jiff::Timestamp::from_microsecond(i64::try_from(NOW + number * 1_000).expect("small")).expect("a time");
    let team = if number.is_multiple_of(10) { "search" } else { "chat" };
    let (status, said) =
        if number.is_multiple_of(7) { (429, "\"no-pii;input;redact;email=2\"") } else { (200, "null") };
    format!(
        "{{\"time\":\"{time:.6}\",\"id\":\"{}\",\"request_id\":\"label-{number}\",\"key\":\"k{}\",\"team\":\"{team}\",\
         \"model\":\"fast\",\"status\":{status},\"stream\":false,\"attempts\":[],\"guardrails\":{said},\"note\":\"{}\"}}",
        id(number),
        number % 3,
        "x".repeat(200)
    )
}

fn write(keeper: &mut Keeper, numbers: std::ops::Range<u64>) {
    for number in numbers {
        keeper.write(format!("{}\n", line(number)).as_bytes(), 1);
    }
}

fn labels(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.request_id.as_deref().expect("a label")).collect()
}

#[test]
fn files_are_closed_by_size_and_age_and_all_are_found_the_newest_first() {
    let place = Shop::new(600_000);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..3_000);
    place.clock.0.fetch_add(3_600_000_000, Ordering::Relaxed);
    keeper.look();
    write(&mut keeper, 3_000..3_010);
    let files = place.closed(1);
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files[2].ends_with(".zst") && files[3] == "requests-000000004.jsonl", "{files:?}");
    let reader = place.reader();
    let found = reader.search(&Find { limit: 5_000, ..Find::default() }).expect("found");
    let want: Vec<String> = (0..3_010).rev().map(|number| format!("label-{number}")).collect();
    assert_eq!(labels(&found.records), want);
    assert_eq!((found.next, found.unfinished, found.damaged), (None, false, 0));
    assert_eq!(found.records[0].raw, line(3_009), "the line as it is");
    // What zstd itself makes of it.
    let packed = fs::read(place.terms.dir.join(&files[0])).expect("read");
    let plain = zstd::stream::decode_all(&packed[..]).expect("any decoder reads it");
    assert!(plain.starts_with(line(0).as_bytes()) && plain.ends_with(b"}\n"));
    assert!(packed.len() * 5 < plain.len(), "{} of {}", packed.len(), plain.len());
}

#[test]
fn pages_meet_without_a_gap_also_where_a_file_is_closed_between_them() {
    let place = Shop::new(300_000);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..1_500);
    let reader = place.reader();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let find = Find { limit: 97, before, key: Some("k1".to_owned()), ..Find::default() };
        let found = reader.search(&find).expect("found");
        seen.extend(labels(&found.records).into_iter().map(str::to_owned));
        before = found.next;
        if before.is_none() {
            break;
        }
        if seen.len() == 97 {
            place.clock.0.fetch_add(3_600_000_000, Ordering::Relaxed);
            keeper.look();
            place.closed(0);
        }
    }
    let want: Vec<String> = (0..1_500).rev().filter(|number| number % 3 == 1).map(|n| format!("label-{n}")).collect();
    assert_eq!(seen, want);
}

#[test]
fn a_search_finds_by_what_is_asked_and_stops_when_it_has_read_enough() {
    let place = Shop::new(1 << 20);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..8_000);
    place.closed(1);
    let reader = place.reader();
    let find = |find: Find| labels(&reader.search(&find).expect("found").records).len();
    let text = |text: &str| Some(text.to_owned());
    let all = || Find { limit: 10_000, ..Find::default() };
    assert_eq!(find(Find { team: text("search"), ..all() }), 800);
    assert_eq!(find(Find { status: Some("429".parse().expect("a status")), ..all() }), 1_143);
    assert_eq!(find(Find { status: Some("2xx".parse().expect("a status")), ..all() }), 6_857);
    assert_eq!(find(Find { guardrail: text("no-pii"), ..all() }), 1_143);
    assert_eq!(find(Find { guardrail: text("no"), ..all() }), 0);
    assert_eq!(find(Find { id: text("label-77"), ..all() }), 1);
    assert_eq!(find(Find { id: text(&id(4_000).to_string()), ..all() }), 1);
    assert_eq!(find(Find { model: text("fas"), ..all() }), 0, "no part of a name");
    assert_eq!(find(Find { key: text("k\"1"), ..all() }), 0);
    let (since_us, until_us) = (Some(NOW + 1_000_000), Some(NOW + 1_100_000));
    assert_eq!(find(Find { since_us, until_us, ..all() }), 100);
    assert_eq!(reader.one(id(17)).expect("read").map(|record| record.raw), Some(line(17)));
    assert_eq!(reader.one(id(9_999)).expect("read"), None);
    let short = reader.clone().reading_at_most(100_000);
    let found = short.search(&Find { key: text("nobody"), ..all() }).expect("found");
    assert!(found.unfinished && found.records.is_empty());
    let found = short.search(&Find { before: found.next, limit: 1, ..all() }).expect("found");
    assert!(labels(&found.records)[0] < "label-7999", "it goes on where it stopped");
}

#[test]
fn what_a_killed_process_left_is_gone_on_with_and_its_torn_line_is_no_record() {
    let place = Shop::new(1 << 20);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..3);
    drop(keeper);
    let path = place.terms.dir.join("requests-000000001.jsonl");
    let mut file = OpenOptions::new().append(true).open(&path).expect("open");
    file.write_all(&line(3).as_bytes()[..50]).expect("written");
    let torn = place.reader().search(&Find::default()).expect("found");
    assert_eq!(labels(&torn.records), ["label-2", "label-1", "label-0"], "a line that is being written is none");
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 4..6);
    assert_eq!(place.files(), ["requests-000000001.jsonl"]);
    let found = place.reader().search(&Find::default()).expect("found");
    assert_eq!(labels(&found.records), ["label-5", "label-4", "label-2", "label-1", "label-0"]);
    let mut other = place.keeper(&janitor);
    write(&mut other, 6..7);
    assert_eq!(place.files().len(), 2, "another process has a file of its own");
}

#[test]
fn the_oldest_files_go_when_they_are_too_old_or_too_many() {
    let mut place = Shop::new(100_000);
    place.terms.keep_bytes = 12_000;
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..3_000);
    drop(keeper);
    drop(place.janitor());
    let size = |files: &[String]| -> u64 {
        files.iter().filter_map(|file| fs::metadata(place.terms.dir.join(file)).ok()).map(|data| data.len()).sum()
    };
    loop {
        janitor.waker().wake();
        let files = place.closed(0);
        if size(&files) <= 12_000 && files.len() < 10 {
            assert!(!files.is_empty() && !files[0].contains("000000001"), "{files:?}");
            break;
        }
    }
    let day = Duration::from_secs(86_400);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    place.clock.0.store(u64::try_from((now + 8 * day).as_micros()).expect("fits"), Ordering::Relaxed);
    while !place.files().is_empty() {
        janitor.waker().wake();
        std::thread::yield_now();
    }
    assert_eq!(place.reader().search(&Find::default()).expect("nothing").records, []);
}

#[test]
fn what_cannot_be_written_is_counted_and_written_again_when_it_can_be() {
    let place = Shop::new(1 << 20);
    let janitor = place.janitor();
    fs::write(&place.terms.dir, "a file where the directory should be").expect("written");
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..5);
    assert_eq!(place.metric("weighbridge_records_lost_total"), 5.0);
    assert_eq!(place.metric("weighbridge_records_failing"), 1.0);
    fs::remove_file(&place.terms.dir).expect("removed");
    write(&mut keeper, 5..7);
    assert_eq!(place.metric("weighbridge_records_failing"), 0.0);
    assert_eq!(place.metric("weighbridge_records_lines_total"), 2.0);
    fs::remove_dir_all(&place.terms.dir).expect("removed");
    write(&mut keeper, 7..8);
    let found = place.reader().search(&Find::default()).expect("found");
    assert_eq!(labels(&found.records), ["label-7"], "a file that somebody removed is not written to");
}

#[test]
fn a_damaged_file_is_told_and_the_others_are_read() {
    let place = Shop::new(300_000);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..3_000);
    let files = place.closed(1);
    let damage = |file: &str, with: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let path = place.terms.dir.join(file);
        fs::write(&path, with(fs::read(&path).expect("read"))).expect("written");
    };
    damage(&files[0], &|bytes| bytes[..bytes.len() - 3].to_vec());
    damage(&files[1], &|mut bytes| {
        bytes[20] ^= 0xff;
        bytes
    });
    damage(&files[2], &|_| Vec::new());
    let found = place.reader().search(&Find { limit: 10_000, ..Find::default() }).expect("found");
    assert_eq!(found.damaged, 3);
    assert!(found.records.len() > 500, "{}", found.records.len());
}

#[test]
fn the_last_lines_are_in_memory_and_followers_get_what_comes() {
    let live = Arc::new(Live::default());
    let mut stream = Stream::new(Arc::clone(&live), None);
    (0..1_200).for_each(|number| stream.line(&line(number)));
    let mut following = live.subscribe();
    stream.line(&line(1_200));
    stream.flush();
    let recent = live.recent(&Find { team: Some("search".to_owned()), limit: 2, ..Find::default() });
    assert_eq!(labels(&recent), ["label-1200", "label-1190"]);
    assert_eq!(live.recent(&Find { limit: 10_000, ..Find::default() }).len(), 1_000);
    assert_eq!(following.try_recv().as_deref(), Ok(&*line(1_200)));
}

#[test]
fn places_and_statuses_are_read_as_they_are_written() {
    assert_eq!("12-3456".parse(), Ok(Place { file: 12, offset: 3_456 }));
    assert_eq!(Place { file: 12, offset: 3_456 }.to_string(), "12-3456");
    for wrong in ["", "12", "12-", "-1", "a-b", "1-2-3"] {
        assert!(wrong.parse::<Place>().is_err(), "{wrong}");
    }
    for wrong in ["", "xx", "6xx", "0", "99", "1000", "ok"] {
        assert!(wrong.parse::<super::StatusIs>().is_err(), "{wrong}");
    }
    assert!("error".parse::<super::StatusIs>().expect("a status").holds(499));
}

struct Stars;

impl Redactor for Stars {
    fn redacted(&self, text: &Text<'_>) -> Option<String> {
        let end = if text.cut { text.text.len() - "secret".len() } else { text.text.len() };
        (!text.text.contains("unspeakable")).then(|| text.text[..end].replace("secret", "***"))
    }

    fn texts(&self, _api: Api, events: &[u8]) -> Vec<(String, bool)> {
        vec![(String::from_utf8_lossy(events).replace('|', ""), false)]
    }
}

fn kept(number: u64, keep: Keep, stream: bool, answer: &[u8]) -> Box<Kept> {
    let side = |bytes: &[u8]| Side { bytes: bytes.to_vec(), total: bytes.len() as u64, no_room: false };
    Box::new(Kept {
        time_us: NOW + number * 1_000,
        id: id(number),
        key: "k".into(),
        team: "t".into(),
        model: "m".into(),
        api: Api::ChatCompletions,
        keep,
        stream,
        broken: false,
        request: side(b"{\"q\":\"my secret\"}"),
        answer: side(answer),
        trace: None,
    })
}

#[test]
fn contents_are_kept_as_the_rule_says_and_what_cannot_be_redacted_is_not() {
    let place = Shop::new(1 << 20);
    let janitor = place.janitor();
    let clock = Arc::clone(&place.clock) as _;
    let keeper = Keeper::new(place.terms.clone(), Family::Contents, clock, &place.metrics, janitor.waker());
    let log = ContentLog::start(keeper, Box::new(Stars), None, &place.metrics).expect("a thread");
    log.write(kept(1, Keep::Full, false, b"{\"a\":\"a secret\"}"));
    log.write(kept(2, Keep::Redacted, false, b"{\"a\":\"a secret\"}"));
    log.write(kept(3, Keep::Redacted, true, b"a sec|ret"));
    log.write(kept(4, Keep::Redacted, false, b"unspeakable secret"));
    log.write(kept(5, Keep::Full, false, b"RIFF\xff\xfe"));
    let mut cut = kept(6, Keep::Full, false, &"\u{e4}".repeat(5_000).as_bytes()[..9_999]);
    cut.answer.total = 20_000;
    log.write(cut);
    let mut cut = kept(7, Keep::Redacted, false, &[b'y'; 9_999]);
    cut.answer.total = 20_000;
    log.write(cut);
    let mut broken = kept(8, Keep::Redacted, true, b"a sec|re");
    broken.broken = true;
    log.write(broken);
    assert!(log.close(Duration::from_secs(60)));
    let content = |number| place.reader().content(id(number)).expect("read").expect("kept");
    let told = |content: &Content| (content.request.clone(), content.answer.clone(), content.answer_note.clone());
    let text = |text: &str| Some(text.to_owned());
    let whole = text("{\"q\":\"my secret\"}");
    let redacted = text("{\"q\":\"my ***\"}");
    assert_eq!(told(&content(1)), (whole.clone(), text("{\"a\":\"a secret\"}"), None));
    assert_eq!(told(&content(2)), (redacted.clone(), text("{\"a\":\"a ***\"}"), None));
    assert_eq!(told(&content(3)), (redacted.clone(), None, None));
    assert_eq!(content(3).texts, Some(vec!["a ***".to_owned()]), "a secret that came in two pieces");
    assert_eq!(told(&content(4)), (redacted, None, text("unreadable")));
    assert_eq!(told(&content(5)), (whole, None, text("binary")));
    assert_eq!(content(6).answer.map(|text| text.len()), Some(9_998), "cut between characters");
    assert!(content(6).answer_truncated && content(6).answer_bytes == 20_000);
    assert_eq!(content(7).answer.map(|text| text.len()), Some(9_999 - 6), "half a secret may stand at a cut");
    assert_eq!(content(8).texts, Some(vec!["a".to_owned()]), "and at the end of a stream that broke off");
    assert_eq!(place.reader().content(id(9)).expect("read"), None);
    assert!(Path::new(&place.dir.path().join("records/contents-000000001.jsonl")).exists());
}

#[test]
fn who_follows_a_directory_gets_each_line_once_also_where_its_file_is_closed() {
    let place = Shop::new(200_000);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    write(&mut keeper, 0..1_000);
    place.closed(1);
    let mut follow = Follow::from_now(place.terms.dir.clone()).expect("read");
    let mut seen = Vec::new();
    for from in (1_000..3_000).step_by(250) {
        write(&mut keeper, from..from + 250);
        if from % 500 == 0 {
            place.closed(1);
        }
        let lines = follow.more().expect("read");
        seen.extend(lines.iter().map(|line| Record::parse(line).expect("a record").request_id.expect("a label")));
    }
    let want: Vec<String> = (1_000..3_000).map(|number| format!("label-{number}")).collect();
    assert_eq!(seen, want);
    assert_eq!(follow.more().expect("read"), Vec::<String>::new());
}

/// A disk that is full, played by the limit on file sizes: a write is cut short and the rest refused. The limit holds for
/// a whole process, so that the test runs itself in one of its own, without the trap that would kill it.
#[test]
fn a_full_disk_leaves_whole_lines_only_and_is_written_to_again() {
    let done = std::process::Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0" --ignored --exact records::tests::with_a_limit"#])
        .arg(std::env::current_exe().expect("this test"))
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "limits the whole process; run by the test above"]
fn with_a_limit() {
    let place = Shop::new(1 << 20);
    let janitor = place.janitor();
    let mut keeper = place.keeper(&janitor);
    let before = getrlimit(Resource::Fsize);
    let size = line(0).len() as u64 + 1;
    setrlimit(Resource::Fsize, Rlimit { current: Some(3 * size + size / 2), ..before }).expect("a lower limit");
    let lines: String = (0..5).map(|number| line(number) + "\n").collect();
    keeper.write(lines.as_bytes(), 5);
    write(&mut keeper, 5..7);
    assert_eq!(place.metric("weighbridge_records_lost_total"), 4.0);
    setrlimit(Resource::Fsize, before).expect("the old limit");
    write(&mut keeper, 7..8);
    let found = place.reader().search(&Find::default()).expect("found");
    assert_eq!(labels(&found.records), ["label-7", "label-2", "label-1", "label-0"]);
    assert_eq!(place.metric("weighbridge_records_lines_total"), 4.0);
    let text = fs::read_to_string(place.terms.dir.join("requests-000000001.jsonl")).expect("text");
    assert!(text.lines().all(|line| Record::parse(line).is_some()), "whole lines only: {text}");
}
