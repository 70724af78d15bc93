//! Traces of clients, and what providers are told of them: `traceparent` and `tracestate`.

use super::gateway::Services;
use crate::model::{RequestId, Trace, TraceParent};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace of the request `id`; `None`: nothing is traced, and headers are not looked at.
pub fn traced(services: &Services, id: RequestId, headers: &HeaderMap) -> Option<Arc<Trace>> {
    if !services.tracing.is_on() {
        return None;
    }
    let all = |name: HeaderName| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    Some(Arc::new(Trace::begin(id, TraceParent::read(all(PARENT), all(STATE)), &services.tracing)))
}

/// Tells a provider that is called by the attempt of this number, from 1: the parent of what it does is that attempt.
pub fn tell(trace: &Trace, attempt: u16, headers: &mut HeaderMap) {
    let parent = HeaderValue::try_from(trace.traceparent(attempt));
    headers.insert(PARENT, parent.expect("digits and dashes"));
    if let Some(state) = trace.state.as_deref().and_then(|state| HeaderValue::from_str(state).ok()) {
        headers.insert(STATE, state);
    }
}
