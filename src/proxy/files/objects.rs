//! What providers say of files and batches, as far as the gateway must know it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Anything that has an id.
#[derive(Debug, Deserialize)]
pub struct Object {
    /// The id.
    pub id: String,
    /// Of a file.
    pub purpose: Option<String>,
}

/// Reads one object; `None`: it is none.
pub fn object(body: &[u8]) -> Option<Object> {
    serde_json::from_slice(body).ok()
}

/// The file that a batch is made of, and the path of the call that is to be made, if one is named.
///
/// # Errors
///
/// Which member is wrong, and how.
pub fn input_file(body: &[u8]) -> Result<(String, Option<String>), (String, &'static str)> {
    #[derive(Deserialize)]
    struct New {
        input_file_id: String,
        endpoint: Option<String>,
    }
    let read: Result<New, _> = serde_json::from_slice(body);
    read.map(|new| (new.input_file_id, new.endpoint)).map_err(|error| (error.to_string(), "input_file_id"))
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    has_more: Option<bool>,
}

/// One of a list.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// As the provider wrote it.
    pub raw: Box<str>,
}

impl Page<'_> {
    /// Reads a page: its objects, and whether more follow; `None`: it is none.
    pub fn read(body: &[u8]) -> Option<(Vec<Item>, bool)> {
        let page: Page<'_> = serde_json::from_slice(body).ok()?;
        let item = |raw: &&RawValue| Some(Item { id: object(raw.get().as_bytes())?.id, raw: raw.get().into() });
        let items = page.data.iter().map(item).collect::<Option<Vec<_>>>()?;
        Some((items, page.has_more.unwrap_or(false)))
    }
}

/// A team's part of a list, gathered from pages of everybody's.
#[derive(Debug)]
pub struct Gathered {
    most: usize,
    items: Vec<Item>,
    /// More may follow.
    more: bool,
}

impl Gathered {
    /// Nothing yet; it will have `most` at most.
    pub fn new(most: usize) -> Self {
        Self { most, items: Vec::new(), more: true }
    }

    /// Takes the team's of a page.
    pub fn take(&mut self, page: Vec<Item>, owned: &HashSet<String>, more: bool) {
        let own: Vec<_> = page.into_iter().filter(|item| owned.contains(&item.id)).collect();
        let room = self.most.saturating_sub(self.items.len());
        self.more = more || own.len() > room;
        self.items.extend(own.into_iter().take(room));
    }

    /// Whether another page is worth asking for.
    pub fn wants_more(&self) -> bool {
        self.more && self.items.len() < self.most
    }

    /// As OpenAI lists things; `has_more` is said where more of the team's may follow behind the last one.
    pub fn list(&self) -> Bytes {
        let id = |item: Option<&Item>| item.map_or(serde_json::Value::Null, |item| item.id.as_str().into());
        let data = self.items.iter().map(|item| &*item.raw).collect::<Vec<_>>().join(",");
        let (first, last) = (id(self.items.first()), id(self.items.last()));
        let more = self.more;
        format!(r#"{{"object":"list","data":[{data}],"first_id":{first},"last_id":{last},"has_more":{more}}}"#).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: &[&str], more: bool) -> (Vec<Item>, bool) {
        let data = ids.iter().map(|id| format!(r#"{{"id":"{id}","x":[1, 2]}}"#)).collect::<Vec<_>>().join(",");
        Page::read(format!(r#"{{"data":[{data}],"has_more":{more}}}"#).as_bytes()).expect("a page")
    }

    #[test]
    fn a_list_holds_the_teams_own_in_order_and_says_when_more_may_follow() {
        let owned = HashSet::from(["b".to_owned(), "d".to_owned(), "e".to_owned()]);
        let mut gathered = Gathered::new(2);
        let (items, more) = page(&["a", "b", "c"], true);
        gathered.take(items, &owned, more);
        assert!(gathered.wants_more());
        let (items, more) = page(&["d", "e"], false);
        gathered.take(items, &owned, more);
        assert!(!gathered.wants_more());
        let list: serde_json::Value = serde_json::from_slice(&gathered.list()).expect("JSON");
        let want = serde_json::json!({"object": "list", "data": [{"id": "b", "x": [1, 2]}, {"id": "d", "x": [1, 2]}],
            "first_id": "b", "last_id": "d", "has_more": true});
        assert_eq!(list, want, "`e` follows");
        let mut empty = Gathered::new(2);
        empty.take(page(&["a"], false).0, &owned, false);
        let list: serde_json::Value = serde_json::from_slice(&empty.list()).expect("JSON");
        assert_eq!(
            (&list["data"], &list["first_id"], &list["has_more"]),
            (&serde_json::json!([]), &serde_json::Value::Null, &false.into())
        );
        assert!(Page::read(b"{\"data\":[1]}").is_none() && Page::read(b"{}").is_none());
    }

    #[test]
    fn the_input_file_of_a_batch_is_named_once() {
        assert_eq!(
            input_file(br#"{"input_file_id":"f","endpoint":"/v1/x"}"#),
            Ok(("f".to_owned(), Some("/v1/x".to_owned())))
        );
        for bad in [&b"{}"[..], br#"{"input_file_id":1}"#, br#"{"input_file_id":"a","input\u005ffile_id":"b"}"#, b"[]x"]
        {
            assert!(input_file(bad).is_err());
        }
    }
}
