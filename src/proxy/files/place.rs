//! Which file or batch a path means, what is to be done with it, and the query that may stand behind it.

use crate::{
    files::Kind,
    model::Api,
    proxy::{
        accept::unescape,
        reject::{Reject, shown},
    },
};
use http::Method;

/// Longest id.
const MOST_ID: usize = 128;
/// Most files that are listed at once, and what is listed where nothing is said
/// (<https://developers.openai.com/api/reference/resources/files>).
const MOST_FILES: u32 = 10_000;
/// Most batches that are listed at once (<https://developers.openai.com/api/reference/resources/batches>).
const MOST_BATCHES: u32 = 100;
const DEFAULT_BATCHES: u32 = 20;

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Files or batches.
    pub kind: Kind,
    /// Which one; `None`: all of them.
    pub id: Option<String>,
    /// What stands behind the id: a file's `content`, a batch's `cancel`.
    behind: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Put a new one there.
    Create,
    /// List the team's.
    List,
    /// Look at one.
    Get,
    /// Take a file away.
    Delete,
    /// Read what is in a file.
    Content,
    /// Stop a batch.
    Cancel,
}

impl Place {
    /// What stands below `/v1/`; `None`: nothing of files and batches.
    pub fn find(below: &str) -> Option<Self> {
        let mut parts = below.split('/');
        let (kind, word) = match parts.next()? {
            "files" => (Kind::File, "content"),
            "batches" => (Kind::Batch, "cancel"),
            _ => return None,
        };
        let id = match parts.next() {
            Some(id) if is_id(id) => Some(id.to_owned()),
            Some(_) => return None,
            None => None,
        };
        let behind = match parts.next() {
            Some(behind) if behind == word => true,
            Some(_) => return None,
            None => false,
        };
        parts.next().is_none().then_some(Self { kind, id, behind })
    }

    /// The call that it belongs to.
    pub const fn api(&self) -> Api {
        match self.kind {
            Kind::File => Api::Files,
            Kind::Batch => Api::Batches,
        }
    }

    /// What `method` does with it; or the methods that it takes.
    pub fn act(&self, method: &Method) -> Result<Act, &'static str> {
        match (self.kind, &self.id, self.behind, method.as_str()) {
            (_, None, _, "GET") => Ok(Act::List),
            (_, None, _, "POST") => Ok(Act::Create),
            (_, None, _, _) => Err("GET, POST"),
            (Kind::File, Some(_), true, "GET") => Ok(Act::Content),
            (Kind::File, Some(_), true, _) => Err("GET"),
            (Kind::Batch, Some(_), true, "POST") => Ok(Act::Cancel),
            (Kind::Batch, Some(_), true, _) => Err("POST"),
            (_, Some(_), false, "GET") => Ok(Act::Get),
            (Kind::File, Some(_), false, "DELETE") => Ok(Act::Delete),
            (Kind::File, Some(_), false, _) => Err("GET, DELETE"),
            (Kind::Batch, Some(_), false, _) => Err("GET"),
        }
    }

    /// `path` (of all files or batches, perhaps with a query) as the path of this one, with `query` behind it.
    pub fn below(&self, path: &str, query: &str) -> String {
        let (path, own) = path.split_once('?').unwrap_or((path, ""));
        let id = self.id.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
        let behind = match (self.behind, self.kind) {
            (false, _) => "",
            (true, Kind::File) => "/content",
            (true, Kind::Batch) => "/cancel",
        };
        let queries: Vec<&str> = [own, query].into_iter().filter(|query| !query.is_empty()).collect();
        let mark = if queries.is_empty() { "" } else { "?" };
        format!("{path}{id}{behind}{mark}{}", queries.join("&"))
    }
}

/// An id that can stand in a path as it is.
pub fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MOST_ID).contains(&id.len()) && id.bytes().all(plain) && !id.bytes().all(|byte| byte == b'.')
}

/// What a list is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Most that are listed.
    pub limit: u32,
    /// The id behind which it begins.
    pub after: Option<String>,
    order: Option<String>,
    purpose: Option<String>,
}

impl ListQuery {
    /// Reads the query of a list of `kind`.
    ///
    /// # Errors
    ///
    /// [`Reject::BadRequest`] with the name that is wrong.
    pub fn read(kind: Kind, query: Option<&str>) -> Result<Self, Reject> {
        let (most, default) = match kind {
            Kind::File => (MOST_FILES, MOST_FILES),
            Kind::Batch => (MOST_BATCHES, DEFAULT_BATCHES),
        };
        let mut read = Self { limit: default, after: None, order: None, purpose: None };
        for (name, value) in pairs(query)? {
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
                    read.limit = limit.ok_or_else(|| wrong(name, &format!("is a number from 1 to {most}")))?;
                }
                "after" if is_id(&value) => read.after = Some(value),
                "after" => return Err(wrong(name, "is the id of the last one that you have")),
                "order" if kind == Kind::File && matches!(&*value, "asc" | "desc") => read.order = Some(value),
                "order" if kind == Kind::File => return Err(wrong(name, "is `asc` or `desc`")),
                "purpose" if kind == Kind::File && is_id(&value) => read.purpose = Some(value),
                "purpose" if kind == Kind::File => return Err(wrong(name, "is a word such as `batch`")),
                _ => return Err(wrong(name, "is not known here; leave it out")),
            }
        }
        Ok(read)
    }

    /// As it goes up, from behind `after` on.
    pub fn write(&self, after: Option<&str>) -> String {
        let limit = self.limit.to_string();
        let given = [
            ("limit", Some(&*limit)),
            ("after", after),
            ("order", self.order.as_deref()),
            ("purpose", self.purpose.as_deref()),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        given.collect::<Vec<_>>().join("&")
    }
}

/// Refuses a query where none means anything.
///
/// # Errors
///
/// [`Reject::BadRequest`].
pub fn no_query(query: Option<&str>) -> Result<(), Reject> {
    match pairs(query)?.first() {
        Some((name, _)) => Err(wrong(name, "is not known here; leave it out")),
        None => Ok(()),
    }
}

fn pairs(query: Option<&str>) -> Result<Vec<(&str, String)>, Reject> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(wrong(name, "stands twice in the query"));
        }
        pairs.push((name, unescape(value)));
    }
    Ok(pairs)
}

fn wrong(name: &str, why: &str) -> Reject {
    let name = shown(name);
    Reject::BadRequest { message: format!("`{name}` {why}"), param: Some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_strict_and_methods_are_those_of_the_place() {
        let act = |below: &str, method: Method| Place::find(below).map(|place| place.act(&method));
        let cases = [
            ("files", Method::GET, Ok(Act::List)),
            ("files", Method::POST, Ok(Act::Create)),
            ("files", Method::PUT, Err("GET, POST")),
            ("files/file-1", Method::GET, Ok(Act::Get)),
            ("files/file-1", Method::DELETE, Ok(Act::Delete)),
            ("files/file-1", Method::POST, Err("GET, DELETE")),
            ("files/file-1/content", Method::GET, Ok(Act::Content)),
            ("batches/batch_1", Method::GET, Ok(Act::Get)),
            ("batches/batch_1", Method::DELETE, Err("GET")),
            ("batches/batch_1/cancel", Method::POST, Ok(Act::Cancel)),
            ("batches/batch_1/cancel", Method::GET, Err("POST")),
        ];
        for (below, method, want) in cases {
            assert_eq!(act(below, method), Some(want), "{below}");
        }
        let long = format!("files/{}", "a".repeat(129));
        for below in [
            "files/",
            "files/a/",
            "files/a/b",
            "files/a/cancel",
            "files/..",
            "files/a%2fb",
            "files/a b",
            "batches/a/content",
            "batches/a/cancel/b",
            "filesx",
            "files/é",
            &long,
        ] {
            assert_eq!(Place::find(below), None, "{below}");
        }
    }

    #[test]
    fn the_providers_own_query_stays_in_front() {
        let place = Place::find("files/file-1/content").expect("a place");
        assert_eq!(place.below("/openai/files?api-version=1", ""), "/openai/files/file-1/content?api-version=1");
        let all = Place::find("batches").expect("a place");
        assert_eq!(all.below("/v1/batches", "limit=2"), "/v1/batches?limit=2");
        assert_eq!(all.below("/b?api-version=1", "limit=2"), "/b?api-version=1&limit=2");
    }

    #[test]
    fn queries_go_by_a_list_of_names() {
        let read = |kind, query| ListQuery::read(kind, Some(query));
        let query = read(Kind::File, "purpose=batch&limit=7&order=asc&after=file-1").expect("it is right");
        assert_eq!(query.write(query.after.as_deref()), "limit=7&after=file-1&order=asc&purpose=batch");
        assert_eq!(read(Kind::Batch, "").expect("it is right").limit, 20);
        for (kind, query) in [
            (Kind::Batch, "purpose=batch"),
            (Kind::Batch, "limit=101"),
            (Kind::File, "limit=0"),
            (Kind::File, "limit=1&limit=2"),
            (Kind::File, "after=a%26b"),
            (Kind::File, "order=up"),
            (Kind::File, "api-version=1"),
        ] {
            assert!(matches!(read(kind, query), Err(Reject::BadRequest { .. })), "{query}");
        }
        assert!(no_query(Some("x=1")).is_err() && no_query(Some("")).is_ok() && no_query(None).is_ok());
    }
}
