//! What becomes of news, and when all of it has come.

use super::*;

#[test]
fn synced_means_every_kind_in_every_scope() {
    let mut store = Store::default();
    let scopes = [Some("a".to_owned()), Some("b".to_owned())];
    fn listed<T>() -> WatchEvent<T> {
        WatchEvent::Listed { resource_version: "1".into() }
    }
    for scope in ["a", "b"] {
        assert!(!store.synced(&scopes));
        store.absorb(Some(scope), Seen::Zone(listed()));
        store.absorb(Some(scope), Seen::Run(listed()));
        assert!(!store.synced(&scopes));
        store.absorb(Some(scope), Seen::Pod(listed()));
    }
    assert!(store.synced(&scopes));
}
