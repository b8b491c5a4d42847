//! Replicas on one PostgreSQL, one of which is killed while all of them record.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doorward::app::memory::Memory;
use tokio::runtime::Runtime;

use super::{SECRET, Seen, event, memory_of, siem};
use crate::support::{Door, Part, eventually, free_port, part, part_at_port};

const NAMES: [&str; 3] = ["a", "b", "c"];

struct Replicas {
    doors: Vec<Door>,
    /// Of each: what records in its name.
    memories: Vec<Memory>,
    runtime: Runtime,
    _parts: [Part; 2],
}

impl Replicas {
    fn new(names: &[&str], sink: u16) -> Self {
        let (database, upstream) = (part_at_port("postgres", &[]), part("echo", &[]));
        let url = database.ready["url"].as_str().unwrap();
        let serve = |name: &str| {
            let configuration = format!(
                "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:0 }}]\n\
                 operations: {{ address: 127.0.0.1:0 }}\nupstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: '{url}' }}\n\
                 secret_key: 0123456789abcdef0123456789abcdef\nconnections: [{{ id: local, password: {{}} }}]\n\
                 audit:\n  source: {name}\n  sinks:\n    - id: hook\n      \
                 webhook: {{ url: 'http://127.0.0.1:{sink}/', secret: '{SECRET}', private_addresses: true }}\n      \
                 format: doorward\n      from: beginning\n      batch: {{ wait: 100ms }}\n",
                upstream.port()
            );
            Door::serve(&configuration, |_| {})
        };
        let doors: Vec<Door> = names.iter().map(|name| serve(name)).collect();
        let runtime = Runtime::new().unwrap();
        let memories = doors.iter().map(|door| memory_of(door, &runtime)).collect();
        Self { doors, memories, runtime, _parts: [database, upstream] }
    }

    fn record(&self, replica: usize, count: usize) {
        let events = (0..count).map(|number| event(&number.to_string())).collect();
        self.runtime.block_on(self.memories[replica].trail.append(events)).unwrap();
    }

    fn heads(&self) -> Vec<(String, i64)> {
        let heads = self.runtime.block_on(self.memories[0].trail.heads()).unwrap();
        heads.into_iter().map(|head| (head.chain, head.link)).collect()
    }
}

#[test]
fn each_replica_delivers_its_own_and_the_others_take_over_what_a_killed_one_left() {
    let port = free_port();
    let receiver = siem(port, &[]);
    let mut house = Replicas::new(&NAMES, port);
    for _ in 0..20 {
        (0..NAMES.len()).for_each(|replica| house.record(replica, 20));
        std::thread::sleep(Duration::from_millis(20));
    }
    let whole = |house: &Replicas| {
        let heads = house.heads();
        eventually("everything is there", || {
            let mut seen = Seen::default();
            seen.add(&receiver);
            let came = |chain: &str, link: i64| seen.0.iter().any(|(its, at, _)| its == chain && *at == link);
            heads.iter().all(|(chain, link)| came(chain, *link)).then_some(seen)
        })
    };
    let seen = whole(&house);
    for (chain, link) in house.heads() {
        if seen.0.iter().any(|(its, _, _)| *its == chain) {
            assert_eq!(seen.is_whole(&chain, link, &[]), 0, "two delivered {chain}");
        }
    }
    house.doors[0].process.signal("KILL");
    house.doors[0].process.wait();
    // It had recorded this, and delivered none of it.
    (0..NAMES.len()).for_each(|replica| house.record(replica, 100));
    let seen = whole(&house);
    for (chain, link) in house.heads() {
        seen.is_whole(&chain, link, &[]);
    }
    // It is there again, and its own chain is its own again.
    house.doors[0].begin_again();
    (0..NAMES.len()).for_each(|replica| house.record(replica, 100));
    let seen = whole(&house);
    for name in NAMES {
        let link = house.heads().into_iter().find(|(chain, _)| chain == name).unwrap().1;
        assert!(link >= 600);
        seen.is_whole(name, link, &[]);
    }
}

#[test]
fn a_replica_that_is_killed_twice_and_reloaded_in_between_delivers_its_chain_whole_and_in_order() {
    let port = free_port();
    let receiver = siem(port, &[]);
    let mut house = Replicas::new(&["a"], port);
    let writing = AtomicBool::new(true);
    let (trail, handle) = (house.memories[0].trail.clone(), house.runtime.handle().clone());
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while writing.load(Ordering::Relaxed) {
                let events: Vec<_> = (0..20).map(|place| event(&format!("number-{}", number + place))).collect();
                handle.block_on(trail.append(events)).unwrap();
                number += 20;
                std::thread::sleep(Duration::from_millis(20));
            }
            number
        });
        let taken = || receiver.control("GET", "/seen").as_array().map_or(0, Vec::len);
        let goes_on = || {
            let before = taken();
            eventually("more is delivered", || (taken() > before + 200).then_some(()));
        };
        let door = &mut house.doors[0];
        for round in 0..2 {
            goes_on();
            door.process.signal("KILL");
            door.process.wait();
            door.begin_again();
            if round == 0 {
                goes_on();
                let text = fs::read_to_string(door.config()).unwrap();
                fs::write(door.config(), text.replace("wait: 100ms", "wait: 50ms, events: 50")).unwrap();
                door.process.signal("HUP");
            }
        }
        goes_on();
        writing.store(false, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let newest = house.heads().into_iter().find(|(chain, _)| chain == "a").unwrap().1;
    assert!(newest >= written && written > 600, "{newest} links, {written} written");
    let seen = eventually("everything is there", || {
        let mut seen = Seen::default();
        seen.add(&receiver);
        seen.0.iter().any(|(_, link, _)| *link == newest).then_some(seen)
    });
    let again = seen.is_whole("a", newest, &[]);
    assert!(again <= 2 * 500, "only what was under way came twice: {again}");
}
