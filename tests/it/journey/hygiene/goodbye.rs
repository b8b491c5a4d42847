//! The end of HTTP/2 connections when the door stops: announced, and without loss of what has begun (RFC 9113 §6.8).

use super::wire::Stage;
use crate::support::h2::End;
use crate::support::{eventually, part};

#[test]
fn a_stopping_door_says_goodbye_finishes_what_has_begun_and_takes_nothing_new() {
    let mut stage = Stage::before(part("echo", &[]), "");
    let mut connection = stage.http2(&[]);
    let begun = connection.send("@GET /slow?ms=1500");
    eventually("the request is at the application", || (stage.seen("/slow?ms=1500") == 1).then_some(()));
    stage.door.process.signal("TERM");
    // First for all streams there could be, so that none under way is lost; then, a round trip later, for those there are.
    assert_eq!(connection.goodbye(), (0x7fff_ffff, 0));
    let crossing = connection.send("@GET /crossing");
    assert_eq!(connection.goodbye(), (crossing, 0));
    connection.send("@GET /late");
    assert_eq!(connection.end_of(begun), End::Answer(200), "what had begun is finished");
    assert_eq!(connection.end_of(crossing + 4), End::HungUp);
    assert_eq!((stage.seen("/crossing"), stage.seen("/late")), (1, 0));
    assert_eq!(stage.door.process.wait(), Some(0));
}
