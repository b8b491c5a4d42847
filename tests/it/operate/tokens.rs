//! Tokens on three replicas with one PostgreSQL: what takes one away is heard by each of them at once.

use std::time::Duration;

use serde_json::json;

use crate::support::process::Part;
use crate::support::{Answer, Door, Stopwatch, curl, eventually, free_port, part, part_at_port};

/// What the product promises.
const WITHIN: Duration = Duration::from_secs(1);

struct House {
    doors: Vec<(Door, u16)>,
    _database: Part,
    _upstream: Part,
}

impl House {
    fn new() -> Self {
        let (database, upstream) = (part_at_port("postgres", &[]), part("echo", &[]));
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let door = |port: &u16| {
            let configuration = format!(
                "version: 1\npublic_url: http://localhost:1\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
                 upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: '{}' }}\ntoken_endpoint: {{}}\n\
                 secret_key: 0123456789abcdef0123456789abcdef\n",
                upstream.port(),
                database.ready["url"].as_str().unwrap()
            );
            (Door::serve(&configuration, |_| {}), *port)
        };
        Self { doors: ports.iter().map(door).collect(), _database: database, _upstream: upstream }
    }

    /// As an administrator at the terminal, beside the replicas.
    fn command(&self, arguments: &[&str]) -> serde_json::Value {
        self.doors[0].0.command(arguments)
    }

    /// A client's id, and a token that the door with this number gave it.
    fn token(&self, door: usize) -> (String, String) {
        let made = self.command(&["client", "create", "--name", "robot"]);
        let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let url = format!("http://127.0.0.1:{}/.doorward/token", self.doors[door].1);
        let given = curl(&["-u", &format!("{id}:{secret}"), "-d", "grant_type=client_credentials", &url]);
        assert_eq!(given.status, 200, "{}", given.text());
        (id.to_owned(), given.json()["access_token"].as_str().unwrap().to_owned())
    }

    fn with(&self, door: usize, token: &str) -> Answer {
        curl(&["-H", &format!("Authorization: Bearer {token}"), &format!("http://127.0.0.1:{}/", self.doors[door].1)])
    }

    fn statuses(&self, token: &str) -> Vec<u16> {
        (0..self.doors.len()).map(|door| self.with(door, token).status).collect()
    }
}

#[test]
fn a_token_ends_on_every_replica_within_a_second_of_its_client_or_secret() {
    let house = House::new();
    for (round, arguments) in [&["revoke"][..], &["rotate", "--overlap", "0s"], &["revoke"]].into_iter().enumerate() {
        let (id, token) = house.token(round);
        // Each remembers it now, and would for minutes.
        assert_eq!(house.statuses(&token), [200; 3], "a token of one replica is taken by all");
        assert_eq!(house.statuses(&token), [200; 3]);
        house.command(&[&["client", arguments[0], &id], &arguments[1..]].concat());
        let done = Stopwatch::start();
        eventually("every replica to refuse it", || (house.statuses(&token) == [401; 3]).then_some(()));
        done.within(WITHIN);
        let refused = house.with(2, &token);
        assert_eq!(refused.json()["code"], json!("invalid_credential"), "{}", refused.text());
        assert!(refused.all("www-authenticate").concat().contains("error=\"invalid_token\""));
    }
}
