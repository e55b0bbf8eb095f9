use std::time::Duration;

use super::*;
use crate::time::Later;

const LIMITS: Limits = Limits { total: 4, each: 3 };
const ALICE: Peer = Peer::User(1);
const BOB: Peer = Peer::User(2);

#[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
fn at(seconds: u64) -> Instant {
    static BASE: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let base = *BASE.get_or_init(Instant::now);
    base.later(Duration::from_secs(seconds))
}

/// Admits a caller that gives way from the given second on.
fn idle(admission: &mut Admission, peer: Peer, second: u64) -> Slot {
    let slot = admission.admit(peer, None).unwrap().slot;
    admission.set_gives_way(slot, Some(at(second)));
    slot
}

#[test]
fn a_peer_at_its_limit_displaces_its_longest_idle_connection() {
    let mut admission = Admission::new(LIMITS);
    let other = idle(&mut admission, BOB, 0);
    let own: Vec<_> = (1..4).map(|second| idle(&mut admission, ALICE, second)).collect();
    admission.set_gives_way(own[0], None);
    let admitted = admission.admit(ALICE, None).unwrap();
    assert_eq!(admitted.displaced, Some(own[1]));
    assert_eq!(admission.len(), 4);
    admission.release(other);
    admission.set_gives_way(own[2], None);
    assert_eq!(admission.admit(ALICE, None), Err(Full::Peer(3)));
    assert_eq!(admission.admit(BOB, None).unwrap().displaced, None);
}

#[test]
fn at_the_total_bound_the_peer_with_the_most_loses_one() {
    let mut admission = Admission::new(LIMITS);
    idle(&mut admission, BOB, 0);
    let own: Vec<_> = (1..4).map(|second| idle(&mut admission, ALICE, second)).collect();
    assert_eq!(admission.admit(Peer::Unknown, None).unwrap().displaced, Some(own[0]));
}

#[test]
fn the_earliest_idle_connection_is_displaced_and_a_busy_one_stays() {
    let mut admission = Admission::new(Limits { total: 2, each: 2 });
    let [first, second] = [ALICE, BOB].map(|peer| admission.admit(peer, None).unwrap().slot);
    assert_eq!(admission.admit(ALICE, None), Err(Full::Total(2)));
    admission.set_gives_way(first, Some(at(5)));
    admission.set_gives_way(second, Some(at(3)));
    assert_eq!(admission.admit(ALICE, None).unwrap().displaced, Some(second));
    // A slot that was displaced has no effect any more.
    admission.set_gives_way(second, Some(at(0)));
    admission.release(second);
    assert_eq!(admission.len(), 2);
}

#[test]
fn no_number_of_idle_connections_keeps_a_new_one_out() {
    let mut admission = Admission::new(LIMITS);
    for round in 0..1000 {
        idle(&mut admission, Peer::User(round % 7), u64::from(round));
        assert!(admission.len() <= LIMITS.total);
    }
    assert!(admission.admit(ALICE, None).is_ok());
}

#[test]
fn all_addresses_of_a_host_have_one_share() {
    let peer = |address: &str| Peer::from(address.parse::<IpAddr>().unwrap());
    assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
    assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
    assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    assert_eq!(peer("2001:db8::1").to_string(), "2001:db8::/64");
}

#[test]
fn few_descriptors_mean_low_limits() {
    let limits = Limits { total: 128, each: 64 };
    assert_eq!(limits.within(1 << 20), limits);
    assert_eq!(limits.within(1024), Limits { total: 16, each: 8 });
    assert_eq!(limits.within(0), Limits { total: 2, each: 2 });
}
