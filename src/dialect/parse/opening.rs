//! Where a conversation begins.

use crate::{
    dialect::strict::{Kind, Outline},
    model::Opening,
};

/// The parts of a body that tell one conversation from another, and stay as they are while it goes on.
pub(super) fn opening(outline: &Outline<'_>) -> Opening {
    let mut opening = Opening::default();
    for member in outline.members.iter().filter(|member| member.kind != Kind::Null) {
        let place = match &*member.key {
            b"system" | b"instructions" | b"systemInstruction" | b"system_instruction" => &mut opening.system,
            b"tools" => &mut opening.tools,
            b"messages" | b"contents" | b"input" => &mut opening.turns,
            // Of responses it is a template, and what is said stands in `input`.
            b"prompt" if opening.turns.is_none() => &mut opening.turns,
            b"prompt_cache_key" => &mut opening.cache_key,
            b"conversation" => &mut opening.conversation,
            _ => continue,
        };
        *place = Some(member.value);
    }
    if let (Some(turns), Some(end)) = (&mut opening.turns, outline.tally.first_turn_end)
        && turns.range().contains(&end)
    {
        turns.end = end;
    }
    opening
}

#[cfg(test)]
mod tests {
    use crate::{
        dialect,
        model::{Api, Draft, Span},
    };

    fn opened(api: Api, body: &str) -> [Option<String>; 5] {
        let ask = match api {
            Api::Generate => dialect::parse_generate("m", false, Draft::copy_of(body.as_bytes())),
            _ => dialect::parse(api, Draft::copy_of(body.as_bytes())),
        };
        let ask = ask.expect("a good request");
        let text = |span: Option<Span>| span.map(|span| body[span.range()].to_owned());
        let opening = ask.opening;
        [opening.system, opening.tools, opening.turns, opening.cache_key, opening.conversation].map(text)
    }

    fn some(texts: [&str; 5]) -> [Option<String>; 5] {
        texts.map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    #[test]
    fn each_api_begins_with_system_tools_and_the_first_turn_of_the_user() {
        let chat = r#"{"model":"m","messages":[{"role":"system","content":"s"},{"content":"a","role":"user"},{"role":"user","content":"b"}],"tools":[{"type":"function"}]}"#;
        let turns = r#"[{"role":"system","content":"s"},{"content":"a","role":"user"}"#;
        assert_eq!(opened(Api::ChatCompletions, chat), some(["", r#"[{"type":"function"}]"#, turns, "", ""]));
        let messages = r#"{"model":"m","max_tokens":1,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
        let turns = r#"[{"role":"user","content":"a"}"#;
        assert_eq!(opened(Api::Messages, messages), some([r#"[{"type":"text","text":"s"}]"#, "", turns, "", ""]));
        let responses = r#"{"model":"m","prompt":{"id":"p"},"input":"hi","instructions":"s","prompt_cache_key":"k","conversation":"c"}"#;
        assert_eq!(opened(Api::Responses, responses), some([r#""s""#, "", r#""hi""#, r#""k""#, r#""c""#]));
        let generate = r#"{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[]}],"systemInstruction":{"parts":[{"text":"s"}]}}"#;
        let turns = r#"[{"parts":[{"text":"a"}]}"#;
        assert_eq!(opened(Api::Generate, generate), some([r#"{"parts":[{"text":"s"}]}"#, "", turns, "", ""]));
    }

    #[test]
    fn what_is_null_or_marks_no_user_is_taken_as_it_stands() {
        let chat = r#"{"model":"m","messages":[{"role":"assistant","content":"a"}],"tools":null}"#;
        let turns = r#"[{"role":"assistant","content":"a"}]"#;
        assert_eq!(opened(Api::ChatCompletions, chat), some(["", "", turns, "", ""]));
    }
}
