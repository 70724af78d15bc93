//! The metadata services: of an instance (EC2, version 2 only), and of a container (ECS, EKS Pod Identity).

use super::credentials::Keys;
use super::fetched::{ask, cut, of_document};
use crate::outbound::Client;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use std::net::IpAddr;
use std::path::PathBuf;

/// An instance's: a session token, the name of its role, the role's keys
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>).
#[derive(Debug)]
pub(super) struct Instance {
    /// Without a slash at its end.
    pub(super) base: String,
}

/// Where it is for all instances.
pub(super) const INSTANCE_BASE: &str = "http://169.254.169.254";
/// Where it is with `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6`.
pub(super) const INSTANCE_BASE_V6: &str = "http://[fd00:ec2::254]";

impl Instance {
    pub(super) async fn fetch(&self, http: &Client) -> Result<Keys, String> {
        let session = Request::put(format!("{}/latest/api/token", self.base))
            .header("x-aws-ec2-metadata-token-ttl-seconds", "300")
            .header(header::CONTENT_LENGTH, "0");
        let session = ask(http, built(session.body(Bytes::new()))?).await.map_err(|why| {
            format!(
                "the metadata service gives no session token ({why}); in a container its hop limit must be 2 or more"
            )
        })?;
        let session = secret(&session).ok_or("the metadata service's session token is no header")?;
        let role = self.get(http, "", &session).await?;
        let role = std::str::from_utf8(&role).ok().and_then(|text| text.lines().next()).map_or("", str::trim);
        if role.is_empty() || !role.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the metadata service names no role; attach one to the instance".to_owned());
        }
        of_document(&self.get(http, role, &session).await?)
    }

    async fn get(&self, http: &Client, role: &str, session: &HeaderValue) -> Result<Bytes, String> {
        let uri = format!("{}/latest/meta-data/iam/security-credentials/{role}", self.base);
        let request = Request::get(uri).header("x-aws-ec2-metadata-token", session);
        let answer = ask(http, built(request.body(Bytes::new()))?).await;
        answer.map_err(|why| format!("the metadata service gives no keys of a role ({why}); has the instance a role?"))
    }
}

/// A container's.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) uri: Uri,
    pub(super) token: Token,
}

/// What is sent as `Authorization`. It has no `Debug` that shows it.
pub(super) enum Token {
    None,
    Fixed(String),
    /// Read each time: others renew it.
    File(PathBuf),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Token")
    }
}

/// Where ECS has it.
const CONTAINER_BASE: &str = "http://169.254.170.2";

impl Container {
    /// As the environment tells it; `None`: it tells of none
    /// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>).
    pub(super) fn of_environment(env: &dyn Fn(&str) -> Option<String>) -> Option<Result<Self, String>> {
        let (name, uri) = match env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(path) => ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", format!("{CONTAINER_BASE}{path}")),
            None => ("AWS_CONTAINER_CREDENTIALS_FULL_URI", env("AWS_CONTAINER_CREDENTIALS_FULL_URI")?),
        };
        let wrong = |why: &str| Err(format!("asks the container's credentials, and {name} in the environment {why}"));
        let Ok(uri) = uri.parse::<Uri>() else { return Some(wrong("is no URL")) };
        match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => {}
            (Some("http"), Some(host)) if is_local(host) => {}
            _ => {
                return Some(wrong(
                    "must be an `https` URL, or an `http` URL of this host or of AWS's own addresses (169.254.170.2, 169.254.170.23, fd00:ec2::23)",
                ));
            }
        }
        let file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| Token::File(path.into()));
        let token = file.or_else(|| env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Token::Fixed)).unwrap_or(Token::None);
        Some(Ok(Self { uri, token }))
    }

    pub(super) async fn fetch(&self, http: &Client) -> Result<Keys, String> {
        let token =
            match &self.token {
                Token::None => None,
                Token::Fixed(token) => Some(token.clone()),
                Token::File(path) => {
                    let read = tokio::fs::read_to_string(path).await;
                    Some(read.map_err(|error| {
                        format!("the authorization token `{}` cannot be read: {error}", path.display())
                    })?)
                }
            };
        let mut request = Request::builder().method(Method::GET).uri(self.uri.clone());
        if let Some(token) = token {
            let token = secret(token.as_bytes()).ok_or("the authorization token is no header")?;
            request = request.header(header::AUTHORIZATION, token);
        }
        let answer = ask(http, built(request.body(Bytes::new()))?).await;
        of_document(&answer.map_err(|why| format!("the container's credentials are not told ({why})"))?)
    }
}

/// Whether credentials may be asked of `host` in clear text.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let known = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"];
    known.contains(&bare) || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A header of `text` without the line's end, which does not print.
fn secret(text: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.trim_ascii()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The request; an error names what is wrong with its address.
fn built(request: http::Result<Request<Bytes>>) -> Result<Request<Bytes>, String> {
    request.map_err(|error| format!("the request cannot be made: {}", cut(&error.to_string())))
}
