"""The built-in stages, one folder a family. This table is all that is imported until a recipe uses one."""

BUILT_IN: dict[str, str] = {
    "c4_paragraphs": "curate.stages.filters.c4:C4Paragraphs",
    "c4_quality": "curate.stages.filters.c4:C4Quality",
    "custom": "curate.stages.filters.custom:Custom",
    "datatrove": "curate.stages.filters.datatrove_step:DatatroveStep",
    "decontaminate": "curate.stages.dedup.decontaminate:Decontaminate",
    "deduplicate": "curate.stages.dedup.deduplicate:Deduplicate",
    "extract": "curate.stages.extract.stage:Extract",
    "fineweb_quality": "curate.stages.filters.fineweb:FineWebQuality",
    "fix_text": "curate.stages.filters.fix_text:FixText",
    "gopher_quality": "curate.stages.filters.gopher:GopherQuality",
    "gopher_repetition": "curate.stages.filters.gopher:GopherRepetition",
    "language": "curate.stages.language.stage:Language",
    "line_cleanup": "curate.stages.filters.line_cleanup:LineCleanup",
    "machine_text": "curate.stages.filters.machine_text:MachineText",
    "nsfw": "curate.stages.safety.text_safety:Nsfw",
    "opt_out": "curate.stages.safety.opt_out:OptOut",
    "pii": "curate.stages.privacy.stage:Pii",
    "spam": "curate.stages.safety.spam:Spam",
    "token_outliers": "curate.stages.filters.outliers:TokenOutliers",
    "tokenize": "curate.stages.tokens.tokenize:Tokenize",
    "toxic": "curate.stages.safety.text_safety:Toxic",
    "url_filter": "curate.stages.safety.url_filter:UrlFilter",
    "url_safety": "curate.stages.safety.url_safety:UrlSafety",
    "write": "curate.stages.output.write:Write",
}
"""What a recipe calls a stage → "module:Class"."""
