"""[xray]: where the spans of launches are kept."""

from oslo_config import cfg

OPTIONS = {
    "xray": [
        cfg.BoolOpt("enabled", default=True, help="Record spans."),
        cfg.StrOpt(
            "store",
            default="$state_path/xray/spans.sqlite",
            help="SQLite file of the spans. `minova xray` reads it.",
        ),
        cfg.IntOpt("max_spans", default=200000, min=1000, help="Spans kept; the oldest go first."),
    ]
}
