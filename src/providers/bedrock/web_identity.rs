//! A role that is assumed with a token of somebody else: of Kubernetes (EKS), of a build server.

use super::credentials::Keys;
use super::fetched::{Refused, ask, cut, keys};
use super::sign::encode;
use crate::outbound::Client;
use bytes::Bytes;
use http::{Request, Uri, header};
use std::path::PathBuf;

/// `AssumeRoleWithWebIdentity`
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>).
#[derive(Debug)]
pub(super) struct WebIdentity {
    /// Of the region.
    pub(super) sts: Uri,
    pub(super) role_arn: String,
    pub(super) session_name: String,
    /// Read each time: others renew it.
    pub(super) token_file: PathBuf,
}

/// STS of `region` (<https://docs.aws.amazon.com/general/latest/gr/sts.html>).
pub(super) fn own_sts(region: &str) -> String {
    let of_china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://sts.{region}.amazonaws.com{of_china}")
}

impl WebIdentity {
    pub(super) async fn fetch(&self, http: &Client) -> Result<Keys, String> {
        let token = tokio::fs::read_to_string(&self.token_file).await;
        let token = token.map_err(|error| {
            format!("the web identity token `{}` cannot be read: {error}", self.token_file.display())
        })?;
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let request = Request::post(self.sts.clone()).header(header::CONTENT_TYPE, form);
        let request = request.body(self.form(token.trim())).map_err(|_| "the request cannot be made".to_owned())?;
        match ask(http, request).await {
            Ok(body) => of_answer(&String::from_utf8_lossy(&body)),
            Err(Refused::Status(status, body)) => {
                let body = String::from_utf8_lossy(&body);
                let code = element(&body, "Code").map_or_else(|| "no code".to_owned(), |code| cut(&code));
                let message = element(&body, "Message").map_or_else(String::new, |text| format!(": {}", cut(&text)));
                Err(format!("STS does not let role `{}` be assumed (status {status}, {code}){message}", self.role_arn))
            }
            Err(unheard) => Err(unheard.to_string()),
        }
    }

    fn form(&self, token: &str) -> Bytes {
        let mut form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15".to_owned();
        let members =
            [("RoleArn", &*self.role_arn), ("RoleSessionName", &*self.session_name), ("WebIdentityToken", token)];
        for (name, value) in members {
            form.extend(["&", name, "="]);
            encode(value, &mut form);
        }
        form.into()
    }
}

fn of_answer(xml: &str) -> Result<Keys, String> {
    let inside = element(xml, "Credentials").ok_or("the answer of STS holds no credentials")?;
    let of = |name| element(&inside, name).unwrap_or_default();
    let (id, secret, token) = (of("AccessKeyId"), of("SecretAccessKey"), of("SessionToken"));
    keys(&id, &secret, Some(&token), element(&inside, "Expiration"))
}

/// What stands in the first element of this name. AWS writes them without attributes, and texts without CDATA.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    let inside = inside.trim();
    if !inside.contains('&') {
        return Some(inside.to_owned());
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(inside.to_owned(), |text, (entity, letter)| text.replace(entity, letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_and_their_entities_read() {
        let xml = "<A><B>x &amp;lt; y</B><B>2</B><C>\n 3 </C></A>";
        assert_eq!(element(xml, "B").as_deref(), Some("x &lt; y"));
        assert_eq!(element(xml, "C").as_deref(), Some("3"));
        for cut in ["", "<B>", "</B><B>", "<B>x</C>"] {
            assert_eq!(element(cut, "B"), None, "{cut}");
        }
        assert!(of_answer("<Credentials><AccessKeyId>A</AccessKeyId></Credentials>").is_err());
    }
}
