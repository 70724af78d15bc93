//! What is recorded of requests.

use super::Checker;
use crate::config::{
    AccessLog, Content, RecordFiles, Records, State, file::TeamFile, records_file::RecordsFile, tree::join,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

impl Checker<'_> {
    pub(super) fn records(
        &mut self,
        file: RecordsFile,
        teams: &BTreeMap<String, TeamFile>,
        state: Option<&State>,
    ) -> Records {
        let files = match file.dir.as_deref() {
            Some("off") => None,
            None => state.map(|state| state.dir.join("records")),
            Some(path) => {
                self.is_path("records.dir", path, "write `off`, or a path with a `/` in it");
                Some(self.located(Path::new(path)))
            }
        };
        let file_age = self.time("records.file_age", file.file_age, HOUR);
        let keep_for = self.time("records.keep_for", file.keep_for, 7 * 24 * HOUR);
        if file_age < LEAST_AGE {
            self.flag("records.file_age", "must be at least 1s");
        }
        let file_bytes = self.size("records.file_bytes", file.file_bytes, 64 << 20);
        let keep_bytes = self.size("records.keep_bytes", file.keep_bytes, 1 << 30);
        if !(LEAST_FILE..=MOST_FILE).contains(&file_bytes.get()) {
            self.flag("records.file_bytes", format!("`{file_bytes}` must be at least 64KiB and at most 1GiB"));
        }
        if keep_bytes < file_bytes {
            let message = format!("`{keep_bytes}` is less than `file_bytes`, which is `{file_bytes}`");
            self.flag("records.keep_bytes", message);
        }
        let most = self.size("records.content_max_bytes", file.content_max_bytes, 1 << 20).get();
        if most > MOST_CONTENT {
            self.flag("records.content_max_bytes", format!("`{most}` must be at most 16MiB"));
        }
        let files = files.map(|dir| RecordFiles {
            dir,
            file_bytes: file_bytes.get(),
            file_age,
            keep_for,
            keep_bytes: keep_bytes.get(),
        });
        let own = teams.iter().filter_map(|(team, file)| Some((team, file.records.as_ref()?.content)));
        let own: Vec<_> = own.collect();
        if files.is_none() && state.is_some() {
            let of_teams =
                own.iter().map(|(team, content)| (join(&join(&join("teams", team), "records"), "content"), *content));
            let all = std::iter::once(("records.content".to_owned(), file.content)).chain(of_teams);
            for (path, _) in all.filter(|(_, content)| *content != Content::None) {
                self.flag(&path, "contents are kept in files, and `records.dir` is `off`");
            }
        }
        Records {
            access_log: self.access_log(file.access_log.as_deref()),
            files,
            content: file.content,
            teams: own.into_iter().map(|(team, content)| (Arc::from(&**team), content)).collect(),
            content_max_bytes: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    fn access_log(&mut self, written: Option<&str>) -> AccessLog {
        match written {
            None | Some("stdout") => AccessLog::Stdout,
            Some("off") => AccessLog::Off,
            Some(path) => {
                self.is_path("records.access_log", path, "write `stdout`, `off`, or a path with a `/` in it");
                AccessLog::File(self.located(Path::new(path)))
            }
        }
    }

    /// A word that is none is not taken for a file.
    fn is_path(&mut self, path: &str, written: &str, valid: &str) {
        if !written.contains('/') {
            let shown = self.shown(path, written);
            self.flag(path, format!("{shown} is not valid here; {valid}"));
        }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
/// Shorter, and there would be more files than records.
const LEAST_AGE: Duration = Duration::from_secs(1);
/// Smaller, and each flush would make a file.
const LEAST_FILE: u64 = 64 << 10;
/// Larger, and closing one would take minutes.
const MOST_FILE: u64 = 1 << 30;
/// More would make lines that nobody reads.
const MOST_CONTENT: u64 = 16 << 20;
