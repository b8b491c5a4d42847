//! Spans: what was done for the sake of one request, and how long it took.
//!
//! Refuses to cost anything where nothing is recorded: without a [`Scope`] around it nothing is described, formatted or allocated. Refuses
//! to wait: a span that finds no room is counted and dropped, because no request is slowed for being watched.

mod queue;
mod span;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use futures::future::Either;

pub use queue::{Queue, ROOM};
pub use span::{Attribute, Kind, Parent, Span, SpanId, TraceId};

use crate::clock::Timestamp;
use crate::crypto::random;

/// What a span says that was broken off before its end.
const BROKEN_OFF: &str = "cancelled";

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

/// A request that is recorded; what is done within it becomes spans below its own.
#[derive(Debug)]
pub struct Scope {
    trace: TraceId,
    root: SpanId,
    parent: Option<Parent>,
    at: Timestamp,
    began: Instant,
    paths: bool,
    queue: Arc<Queue>,
}

/// How a request that is recorded began.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    pub trace: TraceId,
    /// Of the span that the trace came with.
    pub parent: Option<Parent>,
    pub at: Timestamp,
    pub began: Instant,
    /// Whether paths may be told.
    pub paths: bool,
}

impl Scope {
    /// Records a request; `None`: there is no randomness to name its span.
    #[must_use]
    pub fn open(beginning: Beginning, queue: &Arc<Queue>) -> Option<Arc<Self>> {
        let Beginning { trace, parent, at, began, paths } = beginning;
        let root = random::bytes().ok()?;
        Some(Arc::new(Self { trace, root, parent, at, began, paths, queue: Arc::clone(queue) }))
    }

    /// Whether paths may be told.
    #[must_use]
    pub const fn tells_paths(&self) -> bool {
        self.paths
    }

    /// Does `work` for this request: what it asks of others is recorded.
    pub fn around<F: Future>(self: &Arc<Self>, work: F) -> impl Future<Output = F::Output> + use<F> {
        SCOPE.scope(Arc::clone(self), work)
    }

    /// Begins something that is done for this request; `None` where there is no randomness.
    #[must_use]
    pub fn begin(self: &Arc<Self>, name: impl Into<Cow<'static, str>>) -> Option<Open> {
        let (id, from) = (random::bytes().ok()?, self.nanos(Instant::now()));
        let span = Span {
            trace: self.trace,
            id,
            parent: Some(Parent { id: self.root, remote: false }),
            kind: Kind::Client,
            name: name.into(),
            from,
            until: from,
            attributes: Vec::new(),
            failed: Some(BROKEN_OFF.into()),
        };
        Some(Open { scope: Arc::clone(self), span: Some(span) })
    }

    /// The request is over; this was it.
    pub fn close(&self, name: String, attributes: Vec<(&'static str, Attribute)>, failed: Option<Cow<'static, str>>) {
        self.queue.put(Span {
            trace: self.trace,
            id: self.root,
            parent: self.parent,
            kind: Kind::Server,
            name: name.into(),
            from: self.nanos(self.began),
            until: self.nanos(Instant::now()),
            attributes,
            failed,
        });
    }

    /// Nanoseconds since the epoch; exact to the others of the same request.
    fn nanos(&self, moment: Instant) -> u64 {
        let begun = u64::try_from(self.at.millis()).unwrap_or(0).saturating_mul(1_000_000);
        let since = moment.saturating_duration_since(self.began).as_nanos();
        begun.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

/// Begins something that is done for the request at hand; `None` where none is recorded, and then nothing is described.
pub fn begin<N: Into<Cow<'static, str>>>(describe: impl FnOnce(&Scope) -> (N, Vec<(&'static str, Attribute)>)) -> Option<Open> {
    let scope = SCOPE.try_with(Arc::clone).ok()?;
    let (name, attributes) = describe(&scope);
    let mut open = scope.begin(name)?;
    for (key, value) in attributes {
        open.note(key, value);
    }
    Some(open)
}

/// `work` in a task of its own, still for the request at hand.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    match SCOPE.try_with(Arc::clone) {
        Ok(scope) => Either::Left(scope.around(work)),
        Err(_) => Either::Right(work),
    }
}

/// Something that was begun and has not ended. Dropped before it was told how it went, it counts as broken off.
#[derive(Debug)]
pub struct Open {
    scope: Arc<Scope>,
    /// Gone once it was handed over.
    span: Option<Span>,
}

impl Open {
    pub fn note(&mut self, key: &'static str, value: impl Into<Attribute>) {
        if let Some(span) = &mut self.span {
            span.attributes.push((key, value.into()));
        }
    }

    /// It is called something else, as was found out meanwhile.
    pub fn rename(&mut self, name: &'static str) {
        if let Some(span) = &mut self.span {
            span.name = name.into();
        }
    }

    /// The `traceparent` under which somebody else goes on (W3C Trace Context §3.2).
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let span = self.span.as_ref()?;
        Some(format!("00-{:032x}-{:016x}-01", u128::from_be_bytes(span.trace), u64::from_be_bytes(span.id)))
    }

    /// Its id, for whoever goes on below it.
    #[must_use]
    pub fn id(&self) -> SpanId {
        self.span.as_ref().map_or(self.scope.root, |span| span.id)
    }

    /// It went well.
    pub fn succeed(mut self) {
        self.end(None);
    }

    /// It did not. `why`: one of few words (`error.type` of the semantic conventions).
    pub fn fail(mut self, why: impl Into<Cow<'static, str>>) {
        self.end(Some(why.into()));
    }

    fn end(&mut self, failed: Option<Cow<'static, str>>) {
        if let Some(mut span) = self.span.take() {
            span.until = self.scope.nanos(Instant::now());
            span.failed = failed;
            self.scope.queue.put(span);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Some(BROKEN_OFF.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(queue: &Arc<Queue>) -> Arc<Scope> {
        let at = Timestamp::from_millis(1_700_000_000_007);
        let beginning = Beginning { trace: [7; 16], parent: None, at, began: Instant::now(), paths: false };
        Scope::open(beginning, queue).expect("randomness")
    }

    #[tokio::test]
    async fn nothing_is_described_where_nothing_is_recorded() {
        let never = begin(|_| -> (&str, _) { panic!("nobody asked") });
        assert!(never.is_none());
        let carried = tokio::spawn(carried(async { begin(|_| ("anything", Vec::new())).is_none() })).await;
        assert!(carried.expect("a task"));
    }

    #[tokio::test]
    async fn what_is_done_for_a_request_stands_below_it_also_in_another_task() {
        let queue = Arc::new(Queue::default());
        let scope = scope(&queue);
        let work = async {
            tokio::spawn(carried(async { begin(|_| ("far", vec![("n", 7_i64.into())])).expect("recorded").succeed() })).await
        };
        scope.around(work).await.expect("a task");
        drop(scope.around(async { begin(|_| ("left", Vec::new())) }).await);
        scope.close("GET /".to_owned(), Vec::new(), None);
        let mut taken = queue.take().expect("the first to take them");
        let spans: Vec<Span> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
        let [far, left, root] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!((far.parent.map(|parent| parent.id), far.trace), (Some(root.id), root.trace));
        assert_eq!((far.failed.as_deref(), left.failed.as_deref()), (None, Some(BROKEN_OFF)));
        assert!(root.from <= far.from && far.from <= far.until && far.until <= root.until, "{spans:?}");
        assert_eq!((root.parent, root.kind), (None, Kind::Server));
    }

    #[test]
    fn a_span_that_finds_no_room_is_counted_and_dropped() {
        let queue = Arc::new(Queue::default());
        let scope = scope(&queue);
        for _ in 0..ROOM + 3 {
            scope.close(String::new(), Vec::new(), None);
        }
        assert_eq!((queue.dropped(), queue.waiting()), (3, ROOM as u64));
    }
}
