//! Anthropic's own tools that the client runs. They have a type and no schema, because Anthropic's models know them; the
//! models of others are told what the reference says of them, and call them as any function.
//!
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference>, and the pages of each tool: `bash-tool`,
//! `text-editor-tool`, `memory-tool`, `computer-use-tool`. What Anthropic runs itself (search, fetch, code execution), and
//! toolsets, of which each member is a tool of its own, are not here.

/// A tool that others do not know.
#[derive(Debug)]
pub(super) struct Known {
    /// Its types, without the dates.
    kinds: &'static [&'static str],
    /// Its name where the request has none.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) description: &'static str,
    /// Members of its declaration that the model must know of, and in which words.
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// The JSON Schema of its arguments.
    pub(super) schema: &'static str,
}

/// The tool of this type.
pub(super) fn find(kind: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.kinds.iter().any(|one| kind.starts_with(one)))
}

/// The first that fits counts.
const KNOWN: [Known; 5] = [
    Known {
        kinds: &["bash_"],
        name: "bash",
        description: "Runs a command in a bash session that stays open from call to call, and returns its output.",
        settings: &[],
        schema: r#"{"type":"object","properties":{
            "command":{"type":"string","description":"The command to run. Required unless `restart` is true."},
            "restart":{"type":"boolean","description":"Restarts the session instead."}}}"#,
    },
    // The older ones can undo, and name the text of `insert` as that of `str_replace`.
    Known {
        kinds: &["text_editor_20241022", "text_editor_20250124"],
        name: "str_replace_editor",
        description: EDITS,
        settings: &[],
        schema: r#"{"type":"object","properties":{
            "command":{"type":"string","enum":["view","create","str_replace","insert","undo_edit"]},
            "path":{"type":"string","description":"The file or directory."},
            "view_range":{"type":"array","items":{"type":"integer"},"description":"view: the first and the last line to show, counted from 1; -1 is the end of the file."},
            "file_text":{"type":"string","description":"create: what the file holds."},
            "old_str":{"type":"string","description":"str_replace: the text to replace, which must occur exactly once."},
            "new_str":{"type":"string","description":"str_replace: what stands there instead. insert: the text to insert."},
            "insert_line":{"type":"integer","description":"insert: the line behind which the text is inserted; 0 is the beginning."}},
            "required":["command","path"]}"#,
    },
    Known {
        kinds: &["text_editor_"],
        name: "str_replace_based_edit_tool",
        description: EDITS,
        settings: &[("max_characters", "Most characters that are shown of a file")],
        schema: r#"{"type":"object","properties":{
            "command":{"type":"string","enum":["view","create","str_replace","insert"]},
            "path":{"type":"string","description":"The file or directory."},
            "view_range":{"type":"array","items":{"type":"integer"},"description":"view: the first and the last line to show, counted from 1; -1 is the end of the file."},
            "file_text":{"type":"string","description":"create: what the file holds."},
            "old_str":{"type":"string","description":"str_replace: the text to replace, which must occur exactly once."},
            "new_str":{"type":"string","description":"str_replace: what stands there instead."},
            "insert_line":{"type":"integer","description":"insert: the line behind which the text is inserted; 0 is the beginning."},
            "insert_text":{"type":"string","description":"insert: the text to insert."}},
            "required":["command","path"]}"#,
    },
    Known {
        kinds: &["memory_"],
        name: "memory",
        description: "Keeps notes in files below /memories from one conversation to the next. Look there before a task, and \
            write down what is worth knowing later.",
        settings: &[],
        schema: r#"{"type":"object","properties":{
            "command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},
            "path":{"type":"string","description":"The file or directory: of all commands but `rename`."},
            "view_range":{"type":"array","items":{"type":"integer"},"description":"view: the first and the last line to show, counted from 1."},
            "file_text":{"type":"string","description":"create: what the file holds."},
            "old_str":{"type":"string","description":"str_replace: the text to replace, which must occur exactly once."},
            "new_str":{"type":"string","description":"str_replace: what stands there instead."},
            "insert_line":{"type":"integer","description":"insert: the line behind which the text is inserted; 0 is the beginning."},
            "insert_text":{"type":"string","description":"insert: the text to insert."},
            "old_path":{"type":"string","description":"rename: from."},
            "new_path":{"type":"string","description":"rename: to."}},
            "required":["command"]}"#,
    },
    Known {
        kinds: &["computer_20241022", "computer_20250124", "computer_20251124"],
        name: "computer",
        description: "Controls mouse and keyboard of a screen, and takes pictures of it. Positions are [x, y] in pixels from the \
            upper left corner.",
        settings: &[
            ("display_width_px", "Width of the screen in pixels"),
            ("display_height_px", "Height of the screen in pixels"),
            ("display_number", "Number of the X11 display"),
        ],
        schema: r#"{"type":"object","properties":{
            "action":{"type":"string","enum":["screenshot","key","hold_key","type","cursor_position","mouse_move","left_mouse_down","left_mouse_up","left_click","left_click_drag","right_click","middle_click","double_click","triple_click","scroll","wait"]},
            "coordinate":{"type":"array","items":{"type":"integer"},"description":"Where."},
            "start_coordinate":{"type":"array","items":{"type":"integer"},"description":"left_click_drag: from where."},
            "text":{"type":"string","description":"type: the text. key, hold_key: keys as xdotool names them. Clicks and scroll: keys held meanwhile."},
            "duration":{"type":"number","description":"wait, hold_key: seconds."},
            "scroll_direction":{"type":"string","enum":["up","down","left","right"]},
            "scroll_amount":{"type":"integer","description":"scroll: clicks of the wheel."}},
            "required":["action"]}"#,
    },
];

const EDITS: &str =
    "Views, creates and edits files. What is replaced must match the file exactly, white space included.";

#[cfg(test)]
mod tests {
    use super::{KNOWN, find};
    use crate::model::Json;

    #[test]
    fn each_schema_is_json_and_each_type_leads_to_its_tool() {
        for known in &KNOWN {
            assert!(Json::new(known.schema).is_some(), "{}", known.name);
        }
        let cases = [
            ("bash_20250124", Some("bash")),
            ("text_editor_20250124", Some("str_replace_editor")),
            ("text_editor_20250728", Some("str_replace_based_edit_tool")),
            ("memory_20250818", Some("memory")),
            ("computer_20251124", Some("computer")),
            ("computer_toolset_20260801", None),
            ("web_search_20250305", None),
            ("code_execution_20250825", None),
        ];
        for (kind, name) in cases {
            assert_eq!(find(kind).map(|known| known.name), name, "{kind}");
        }
    }
}
