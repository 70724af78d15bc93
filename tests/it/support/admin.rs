//! Calls of the admin API.

use super::call::{Answer, Call};
use super::config::ADMIN_TOKEN;
use super::gateway::Gateway;
use serde_json::Value;

impl Gateway {
    /// One call with the admin's token; `body` is left out where it is null.
    pub async fn admin(&self, method: &'static str, path: &str, body: Value) -> Answer {
        self.admin_as(ADMIN_TOKEN, method, path, body).await
    }

    /// One call with a token.
    pub async fn admin_as(&self, token: &str, method: &'static str, path: &str, body: Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let call = Call { method, ..Call::post(&format!("/admin/v1{path}"), text) };
        call.key(token).send(self.admin).await
    }

    /// Makes a key and tells it.
    pub async fn new_key(&self, body: Value) -> String {
        let answer = self.admin("POST", "/keys", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["secret"].as_str().expect("the key").to_owned()
    }
}

impl Answer {
    /// Asserts an error of the admin API, and tells its `code`.
    pub fn admin_error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "a message: {}", self.text());
        error["code"].as_str().unwrap_or_else(|| panic!("a stable code: {}", self.text())).to_owned()
    }
}
