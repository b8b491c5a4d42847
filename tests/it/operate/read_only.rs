//! A container in which nothing can be written but the store's own folder: no place for temporary files but that one.

use std::path::Path;
use std::process::Command;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{configuration, operations, secret};
use crate::support::{Door, curl, part};

/// The last migration before the indexes that an incident is looked into by.
const BEFORE: i64 = 140;
/// More than SQLite sorts in its cache, so that making an index takes a temporary file.
const EVENTS: i64 = 150_000;

/// Wherever SQLite would put temporary files if nobody told it, nothing can be written; the folder `$0` stays as it is.
const NOWHERE_ELSE: &str = r#"
set -e
places=$(for place in /tmp /var/tmp /usr/tmp; do if [ -d "$place" ]; then echo "$place"; fi; done)
for place in $places; do mount --bind "$place" "$place"; done
mount --bind "$0" "$0"
for place in $places; do mount -o remount,bind,ro "$place"; done
unset TMPDIR SQLITE_TMPDIR
cd /proc
exec "$@"
"#;

/// What a program is begun by so that it can write to nothing but this folder.
fn confined(folder: &Path) -> Vec<String> {
    let hows = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let begun = |how: &[&str], folder: &str| {
        let words = [&["unshare"], how, &["--propagation", "private", "sh", "-c", NOWHERE_ELSE, folder]].concat();
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let folder = folder.to_str().unwrap();
    let well = |words: &Vec<String>| {
        let cannot_write = "! touch /tmp/a 2>/dev/null && ! touch /var/tmp/a 2>/dev/null";
        Command::new(&words[0]).args(&words[1..]).args(["sh", "-c", cannot_write]).status().unwrap().success()
    };
    let way = hows.into_iter().map(|how| begun(how, folder)).find(well);
    way.unwrap_or_else(|| {
        eprintln!("nobody may mount here: the store is upgraded where temporary files can be written");
        Vec::new()
    })
}

/// A store that the version before has filled.
fn fill(folder: &Path) {
    let work = async {
        let file = SqliteConnectOptions::new().filename(folder.join("doorward.db")).create_if_missing(true);
        let mut connection = file.connect().await?;
        let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite")).await?;
        all.run_direct(Some(BEFORE), &mut connection, false).await?;
        sqlx::query(
            "INSERT INTO audit (at, kind, outcome, tenant, request_id, source, details) \
             WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1) \
             SELECT 1800000000000 + n, 'sign_in', 'success', 'default', hex(randomblob(16)), '192.0.2.' || n % 250, '{}' FROM number",
        )
        .bind(EVENTS)
        .execute(&mut connection)
        .await?;
        connection.close().await
    };
    tokio::runtime::Runtime::new().unwrap().block_on(work).unwrap();
}

#[test]
fn a_filled_store_is_upgraded_where_only_its_folder_can_be_written() {
    let upstream = part("echo", &[]);
    let door = Door::serve_within(&configuration(upstream.port(), ""), |folder| {
        secret(folder);
        fill(folder);
        confined(folder)
    });
    assert_eq!(operations(&door, "/readyz").status, 200);
    assert_eq!(curl(&[&format!("http://{}/open/page", door.listener(0))]).status, 200);
    let listed = door.command(&["audit", "list", "--kind", "sign_in", "--limit", "3"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
}
