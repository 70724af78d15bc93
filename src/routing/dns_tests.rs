use super::*;
use tokio::sync::Semaphore;

const PORT: u16 = 443;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn at(text: &str) -> SocketAddr {
    SocketAddr::new(ip(text), PORT)
}

/// What a scripted resolver says next, how often it was asked, and what holds its answers back.
struct Script {
    says: Mutex<io::Result<Vec<IpAddr>>>,
    asked: AtomicUsize,
    gate: Semaphore,
}

impl Script {
    fn says(&self, addresses: &[&str]) {
        *self.says.lock() = Ok(addresses.iter().map(|one| ip(one)).collect());
    }

    fn fails(&self) {
        *self.says.lock() = Err(no_address());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn scripted(addresses: &[&str]) -> (Resolver, Arc<Script>) {
    let gate = Semaphore::new(Semaphore::MAX_PERMITS);
    let script = Arc::new(Script { says: Mutex::new(Ok(Vec::new())), asked: AtomicUsize::new(0), gate });
    script.says(addresses);
    let told = Arc::clone(&script);
    let look_up: LookUp = Arc::new(move |_| {
        let script = Arc::clone(&told);
        async move {
            script.asked.fetch_add(1, Ordering::SeqCst);
            drop(script.gate.acquire().await);
            let says = script.says.lock();
            says.as_ref().cloned().map_err(|_| no_address())
        }
        .boxed()
    });
    (Resolver::with(look_up), script)
}

async fn ask(resolver: &Resolver) -> SocketAddr {
    resolver.resolve(&"api.example.com".into(), PORT).await.expect("it resolves")
}

/// Lets the tasks of the resolver run.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn literal_addresses_and_localhost_are_resolved() {
    let resolver = Resolver::default();
    let literal = resolver.resolve(&"::1".into(), 80).await.expect("a literal needs no look-up");
    assert_eq!(literal, SocketAddr::new(ip("::1"), 80));
    let local = resolver.resolve(&"localhost".into(), 81).await.expect("localhost is known");
    assert!(local.ip().is_loopback());
    assert_eq!(local.port(), 81);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_that_names_it() {
    let error = Resolver::default().resolve(&"no-such-host.invalid".into(), 80).await.expect_err("reserved name");
    assert_eq!(error.to_string(), "host `no-such-host.invalid` could not be resolved");
}

#[tokio::test]
async fn addresses_take_turns_and_those_that_fail_are_passed_over() {
    let (resolver, script) = scripted(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let mut seen = [ask(&resolver).await, ask(&resolver).await, ask(&resolver).await];
    seen.sort();
    assert_eq!(seen, [at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")]);
    resolver.avoid(at("10.0.0.2"));
    for _ in 0..6 {
        assert_ne!(ask(&resolver).await, at("10.0.0.2"));
    }
    assert!(resolver.knows_other(&"api.example.com".into(), PORT));
    resolver.avoid(at("10.0.0.1"));
    resolver.avoid(at("10.0.0.3"));
    assert!(!resolver.knows_other(&"api.example.com".into(), PORT));
    let mut seen = [ask(&resolver).await, ask(&resolver).await, ask(&resolver).await];
    seen.sort();
    assert_eq!(seen, [at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")], "one of them may be back");
    assert_eq!(script.asked(), 1);
}

#[tokio::test]
async fn the_other_family_serves_when_the_first_cannot_be_reached() {
    let (resolver, _) = scripted(&["2001:db8::1", "10.0.0.1", "2001:db8::2"]);
    for _ in 0..4 {
        assert!(ask(&resolver).await.is_ipv6());
    }
    resolver.avoid(at("2001:db8::1"));
    resolver.avoid(at("2001:db8::2"));
    assert_eq!(ask(&resolver).await, at("10.0.0.1"));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_refresh_and_a_changed_answer_takes_new_connections() {
    let (resolver, script) = scripted(&["10.0.0.1"]);
    assert_eq!(ask(&resolver).await, at("10.0.0.1"));
    tokio::time::advance(FRESH).await;
    script.says(&["10.0.0.9"]);
    let all = script.gate.available_permits();
    script.gate.forget_permits(all);
    for _ in 0..5 {
        assert_eq!(ask(&resolver).await, at("10.0.0.1"), "the old address serves meanwhile");
        settle().await;
    }
    assert_eq!(script.asked(), 2, "one refresh");
    script.gate.add_permits(1);
    settle().await;
    assert_eq!(ask(&resolver).await, at("10.0.0.9"));
}

#[tokio::test(start_paused = true)]
async fn failed_refreshes_keep_the_old_addresses() {
    let (resolver, script) = scripted(&["10.0.0.1"]);
    ask(&resolver).await;
    script.fails();
    tokio::time::advance(FRESH).await;
    for asked in 2..5 {
        assert_eq!(ask(&resolver).await, at("10.0.0.1"));
        settle().await;
        assert_eq!(ask(&resolver).await, at("10.0.0.1"));
        assert_eq!(script.asked(), asked, "again after a pause, not at once");
        tokio::time::advance(RETRY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_failing_look_up_do_not_repeat_it_one_by_one() {
    let (resolver, script) = scripted(&[]);
    script.fails();
    let host: Arc<str> = "api.example.com".into();
    let all = (0..20).map(|_| resolver.resolve(&host, PORT));
    let all = futures::future::join_all(all).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(script.asked(), 1);
    tokio::time::advance(FAILED).await;
    script.says(&["10.0.0.1"]);
    ask(&resolver).await;
}
