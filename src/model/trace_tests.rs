use super::*;
use crate::model::IdSource;
use std::collections::HashSet;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn read(parents: &[&str], states: &[&str]) -> Option<TraceParent> {
    TraceParent::read(parents.iter().map(|text| text.as_bytes()), states.iter().map(|text| text.as_bytes()))
}

fn all() -> Sampler {
    let sampler = Sampler::default();
    sampler.set(1_000_000, true);
    sampler
}

#[test]
fn a_parent_is_read_strictly_and_anything_else_is_as_if_it_was_not_there() {
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    let want = TraceParent { id: trace, span: 0x00f0_67aa_0ba9_02b7, flags: 1, state: None };
    assert_eq!(read(&[PARENT], &[]), Some(want.clone()));
    let later = format!("{}-whatever", PARENT.replacen("00", "cc", 1));
    assert_eq!(read(&[&later], &[]), Some(want.clone()), "a later version may have more");
    assert_eq!(read(&[&PARENT.replacen("00", "01", 1)], &[]), Some(want));
    let bad = [
        ("nothing", String::new()),
        ("version ff", PARENT.replacen("00", "ff", 1)),
        ("upper case", PARENT.to_uppercase()),
        ("no trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned()),
        ("no span", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned()),
        ("more behind version 00", format!("{PARENT}-x")),
        ("a dash behind it", format!("{PARENT}-")),
        ("more without a dash", PARENT.replacen("00", "01", 1) + "0"),
        ("too short", PARENT[..54].to_owned()),
        ("no digit", PARENT.replace("4b", "4g")),
        ("another separator", PARENT.replace('-', "_")),
        ("a sign", PARENT.replace("4b", "+b")),
    ];
    for (name, text) in bad {
        assert_eq!(read(&[&text], &["a=1"]), None, "{name}");
    }
    assert_eq!(read(&[PARENT, PARENT], &[]), None, "twice");
    assert_eq!(read(&[], &["a=1"]), None, "a state without a parent");
}

#[test]
fn a_state_is_passed_on_whole_cut_between_members_or_not_at_all() {
    let state = |headers: &[&str]| read(&[PARENT], headers).expect("a parent").state.map(String::from);
    assert_eq!(state(&["a=1, b@c=2 ,", "d=x y"]).as_deref(), Some("a=1,b@c=2,d=x y"));
    let many = (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>();
    assert_eq!(state(&[&many[..32].join(",")]).map(|state| state.split(',').count()), Some(32));
    let long = "v".repeat(257);
    for bad in [
        &many.join(","),
        "a",
        "=1",
        "A=1",
        "a=",
        "a=1,a=2",
        "a=b=c",
        "a=\u{e9}",
        "a@9=1",
        "a@b@c=1",
        &format!("a={long}"),
    ] {
        assert_eq!(state(&[bad]), None, "{bad}");
    }
    let (big, small) = ("v".repeat(200), "w".repeat(100));
    let whole = format!("a={small},b={big},c={small},d={small},e={big}");
    assert_eq!(
        state(&[&whole]),
        Some(format!("a={small},b={big},c={small},d={small}")),
        "a long one goes first, from the right"
    );
    assert!(
        state(&[&(0..6).map(|n| format!("k{n}={small}")).collect::<Vec<_>>().join(",")]).expect("some").len() <= 512
    );
}

#[test]
fn a_client_that_says_whether_it_is_sampled_is_followed_and_the_others_are_drawn() {
    let ids = IdSource::from_os().expect("randomness");
    let taken = |sampler: &Sampler, parent: Option<&str>| {
        let parent = parent.and_then(|text| read(&[text], &[]));
        (0..4_000).filter(|_| Trace::begin(ids.next(1), parent.clone(), sampler).sampled).count()
    };
    let sampler = all();
    assert_eq!((taken(&sampler, None), taken(&sampler, Some(PARENT))), (4_000, 4_000));
    assert_eq!(taken(&sampler, Some(&PARENT.replace("-01", "-00"))), 0);
    sampler.set(0, true);
    assert_eq!((taken(&sampler, None), taken(&sampler, Some(PARENT))), (0, 4_000));
    sampler.set(250_000, false);
    let quarter = taken(&sampler, None);
    assert!(quarter.abs_diff(1_000) < 200, "{quarter}");
    let of_one = taken(&sampler, Some(PARENT));
    assert!(of_one == 0 || of_one == 4_000, "one trace is taken or not");
    assert!(sampler.is_on() && !Sampler::default().is_on());
}

#[test]
fn spans_of_a_request_are_all_different_and_told_to_whom_they_call() {
    let ids = IdSource::from_os().expect("randomness");
    let spans: HashSet<u64> = (0..100)
        .flat_map(|_| {
            let trace = Trace::begin(ids.next(1), None, &all());
            (0..20).map(move |n| trace.span(n))
        })
        .collect();
    assert_eq!(spans.len(), 2_000);
    let id = ids.next(1);
    let trace = Trace::begin(id, None, &all());
    assert_eq!((trace.id, trace.parent), (id.0, None), "a trace that begins here has the request's own id");
    assert_eq!(trace.traceparent(1), format!("00-{id}-{:016x}-01", trace.span(1)));
    let followed = Trace::begin(id, read(&[&PARENT.replace("-01", "-ff")], &["a=1"]), &all());
    assert_eq!(followed.traceparent(2), format!("{}-{:016x}-03", &PARENT[..35], followed.span(2)));
    let child = followed.child(ids.next(1));
    assert_eq!((child.id, child.parent), (followed.id, Some(followed.span(0))));
    assert_ne!(child.span(0), followed.span(0));
}
