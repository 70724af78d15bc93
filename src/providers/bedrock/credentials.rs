//! Who we are at AWS: fixed keys, keys of a shared file that others renew, keys fed by somebody else, or an API key.

use crate::providers::{SignFault, mask::Key};
use arc_swap::ArcSwapOption;
use http::HeaderValue;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// An access key. It has neither `Debug` nor `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// When they end, in microseconds since the Unix epoch, where that is known.
    expires_us: Option<u64>,
    /// Secrets of the keys before them, for masking: answers to what those signed may still come.
    earlier: Vec<String>,
}

impl Keys {
    /// Keys whose end is not known.
    pub(super) fn new(access_key_id: &str, secret_access_key: &str, session_token: Option<&str>) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            session_token: session_token.filter(|token| !token.is_empty()).map(str::to_owned),
            expires_us: None,
            earlier: Vec::new(),
        }
    }

    /// The same, of use until `expires_us`.
    pub(super) fn until(self, expires_us: u64) -> Self {
        Self { expires_us: Some(expires_us), ..self }
    }

    /// The same, which take the place of `before`.
    pub(super) fn after(self, before: Option<&Self>) -> Self {
        let earlier = match before {
            Some(before)
                if before.access_key_id == self.access_key_id && before.session_token == self.session_token =>
            {
                before.earlier.clone()
            }
            Some(before) => before.secrets().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        Self { earlier, ..self }
    }

    /// What is masked of them, the longest first.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let own = [self.session_token.as_deref(), Some(&*self.secret_access_key), Some(&*self.access_key_id)];
        own.into_iter().flatten()
    }

    pub(super) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// When they end, in microseconds since the Unix epoch, where that is known.
    pub(super) fn expires_us(&self) -> Option<u64> {
        self.expires_us
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }
}

/// Where the keys come from.
pub(super) enum Credentials {
    /// A Bedrock API key: nothing is signed.
    Bearer {
        /// For masking.
        key: Key,
        /// `Bearer` and the key.
        header: HeaderValue,
    },
    /// Keys that stand in the configuration or the environment.
    Fixed(Arc<Keys>),
    /// Keys of a shared credentials file.
    File(File),
    /// Keys that a task of the gateway fetches and renews (`Fetched`), which holds the other end.
    Fed(Arc<ArcSwapOption<Keys>>),
}

impl Credentials {
    /// The keys of now; `None`: requests are not signed.
    ///
    /// # Errors
    ///
    /// When there are none, or none that are of use at `now_us`.
    pub(super) fn keys(&self, now_us: u64) -> Result<Option<Arc<Keys>>, SignFault> {
        let keys = match self {
            Self::Bearer { .. } => return Ok(None),
            Self::Fixed(keys) => Some(keys.clone()),
            Self::File(file) => {
                file.look(now_us);
                file.keys.load_full()
            }
            Self::Fed(keys) => keys.load_full(),
        };
        let keys = keys.ok_or(SignFault::NoCredentials)?;
        if keys.expires_us.is_some_and(|end| end <= now_us) {
            return Err(SignFault::Expired);
        }
        Ok(Some(keys))
    }

    /// `text` without any of the secrets of now or of those before them, and without anything that looks like a key. Providers repeat what was
    /// signed, the session token included, when a signature does not fit.
    pub(super) fn mask(&self, text: &str) -> String {
        let keys = match self {
            Self::Bearer { key, .. } => return key.mask(text),
            Self::Fixed(keys) => Some(keys.clone()),
            Self::File(file) => file.keys.load_full(),
            Self::Fed(keys) => keys.load_full(),
        };
        let Some(keys) = keys else { return Key::new(None).mask(text) };
        let secrets = keys.secrets().chain(keys.earlier.iter().map(String::as_str));
        secrets.fold(text.to_owned(), |text, secret| Key::new(Some(secret.to_owned())).mask(&text))
    }
}

/// A shared credentials file, which tools renew in place. It is looked at once a second at most, and read again when its
/// time or its length is another; while it cannot be read, the keys that were read last are used.
pub(super) struct File {
    path: PathBuf,
    profile: String,
    keys: ArcSwapOption<Keys>,
    /// When it was looked at last, in microseconds since the Unix epoch.
    looked_us: AtomicU64,
    seen: Mutex<Stamp>,
}

/// By what a change of a file is noticed.
type Stamp = Option<(SystemTime, u64)>;

/// Between two looks at a file.
const LOOK_EVERY_US: u64 = 1_000_000;

impl File {
    /// Reads `profile` of the file at `path`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has no keys of that profile.
    pub(super) fn open(path: PathBuf, profile: String) -> io::Result<Self> {
        let stamp = stamp(&path)?;
        let keys = ArcSwapOption::from_pointee(read(&path, &profile)?);
        Ok(Self { path, profile, keys, looked_us: AtomicU64::new(0), seen: Mutex::new(Some(stamp)) })
    }

    /// Looks whether the file has changed, if nobody did within the last second.
    fn look(&self, now_us: u64) {
        let last = self.looked_us.load(Ordering::Relaxed);
        // A clock that was set back looks at once, rather than not before it has caught up.
        let due = now_us < last || now_us - last >= LOOK_EVERY_US;
        if !due || self.looked_us.compare_exchange(last, now_us, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        // Whoever is still reading it will have seen the change.
        let Some(mut seen) = self.seen.try_lock() else { return };
        let now = stamp(&self.path).ok();
        if now.is_none() || *seen == now {
            return;
        }
        match read(&self.path, &self.profile) {
            Ok(keys) => {
                *seen = now;
                let before = self.keys.load_full();
                self.keys.store(Some(Arc::new(keys.after(before.as_deref()))));
            }
            // Perhaps it is being written: the stamp stays the old one, so that it is read at the next look.
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "the credentials file cannot be read"),
        }
    }
}

fn stamp(path: &Path) -> io::Result<(SystemTime, u64)> {
    let about = fs::metadata(path)?;
    Ok((about.modified()?, about.len()))
}

fn read(path: &Path, profile: &str) -> io::Result<Keys> {
    let text = fs::read_to_string(path)?;
    let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("no keys of profile `{profile}`"));
    keys_of(&text, profile).ok_or_else(missing)
}

/// The keys of `profile` in an INI file: `[profile]`, then `aws_access_key_id = …`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>).
fn keys_of(text: &str, profile: &str) -> Option<Keys> {
    let mut inside = false;
    let mut members = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            inside = name.split(']').next().is_some_and(|name| name.trim() == profile);
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once('=')
        {
            members.insert(name.trim().to_ascii_lowercase(), value.trim());
        }
    }
    let given = |name: &str| members.get(name).copied().filter(|value| !value.is_empty());
    Some(Keys::new(given("aws_access_key_id")?, given("aws_secret_access_key")?, given("aws_session_token")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn id(credentials: &Credentials, now_us: u64) -> String {
        let keys = credentials.keys(now_us).expect("there are keys").expect("to sign with");
        keys.access_key_id().to_owned()
    }

    fn file(profile: &str, id: &str) -> String {
        format!("# a comment\n[{profile}]\naws_access_key_id = {id}\naws_secret_access_key=secret/of+{id}=\n")
    }

    #[test]
    fn a_profile_is_found_among_others() {
        let text = format!(
            "{}\n{}aws_session_token = abc==\nregion = eu-west-1\n; note\n[ third ]\nAWS_ACCESS_KEY_ID=C\n",
            file("default", "A"),
            file("second", "B")
        );
        let keys = |profile: &str| keys_of(&text, profile);
        let second = keys("second").expect("it is there");
        assert!(second == Keys::new("B", "secret/of+B=", Some("abc==")));
        assert!(keys("default") == Some(Keys::new("A", "secret/of+A=", None)));
        assert!(keys("third").is_none(), "it has no secret");
        assert!(keys("fourth").is_none());
    }

    #[test]
    fn a_file_that_changes_is_read_again_a_second_later_and_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        fs::write(&path, file("default", "FIRST")).expect("written");
        let opened = File::open(path.clone(), "default".to_owned()).expect("it has keys");
        let credentials = Credentials::File(opened);
        assert_eq!(id(&credentials, 10 * SECOND), "FIRST");
        fs::write(&path, file("default", "SECOND")).expect("written");
        assert_eq!(id(&credentials, 11 * SECOND - 1), "FIRST");
        assert_eq!(id(&credentials, 11 * SECOND), "SECOND");
        fs::write(&path, "[default]\naws_access_key").expect("written");
        assert_eq!(id(&credentials, 12 * SECOND), "SECOND", "half a file changes nothing");
        fs::remove_file(&path).expect("removed");
        assert_eq!(id(&credentials, 13 * SECOND), "SECOND", "nor does none");
        fs::write(&path, file("default", "THIRD")).expect("written");
        assert_eq!(id(&credentials, 2 * SECOND), "THIRD", "whatever the clock does");
        assert!(File::open(path, "other".to_owned()).is_err());
    }

    #[test]
    fn keys_that_are_fed_come_and_end() {
        let seam = Arc::new(ArcSwapOption::empty());
        let credentials = Credentials::Fed(seam.clone());
        let keys = |now_us| credentials.keys(now_us).map(|keys| keys.is_some());
        assert_eq!(keys(0), Err(SignFault::NoCredentials));
        seam.store(Some(Arc::new(Keys::new("A", "b", None).until(5))));
        assert_eq!(keys(4), Ok(true));
        assert_eq!(keys(5), Err(SignFault::Expired));
    }

    #[test]
    fn every_secret_is_masked() {
        let keys = Keys::new("AKIDEXAMPLE", "secret-access-key", Some("session-token"));
        let credentials = Credentials::Fixed(Arc::new(keys));
        let told = credentials.mask("AKIDEXAMPLE secret-access-key, session-token and sk-0123456789");
        assert_eq!(told, "*** ***, *** and sk-***");
    }

    #[test]
    fn secrets_that_were_renewed_a_moment_ago_are_still_masked() {
        let first = Keys::new("IDFIRST00", "secret-one", Some("token-one"));
        let second = Keys::new("IDSECOND0", "secret-two", Some("token-two")).after(Some(&first));
        let again = Keys::new("IDSECOND0", "secret-two", Some("token-two")).after(Some(&second));
        for keys in [second, again] {
            let credentials = Credentials::Fed(Arc::new(ArcSwapOption::from_pointee(keys)));
            let told = credentials.mask("IDFIRST00 secret-one token-one IDSECOND0 secret-two token-two");
            assert_eq!(told, "*** *** *** *** *** ***");
        }
    }
}
