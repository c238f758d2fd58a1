"""English verbs that begin functions' names, and the forms a summary needs them in."""

from __future__ import annotations

_TEXT = """
    abort accept access accumulate acquire activate adapt add adjust advance aggregate align allocate allow analyze
    announce append apply approximate archive arrange assemble assert assign attach authenticate authorize average
    balance benchmark bind block boot broadcast browse build bump bundle cache calculate call cancel cast center change
    check choose chunk clamp classify clean cleanup clear clip clone close cluster coerce collapse collect color combine
    commit compare compile complete compose compress compute concatenate configure confirm connect construct consume
    contract convert copy correct count crawl create crop cut deactivate debug decode decompose decompress decorate
    decrease decrement decrypt deduplicate deepcopy define delay delegate delete deliver deploy deprecate derive
    describe deserialize destroy detach detect determine diff disable discard disconnect discover dispatch display
    divide download drain draw drop dump duplicate edit eliminate embed emit empty enable encode encrypt enforce
    enqueue ensure
    enter enumerate erase escape establish estimate evaluate examine exclude execute exit expand expect explain explore
    export expose extend extract factor fail fetch fill filter finalize find finish fire fit fix flag flatten flip flush
    fold follow force forget fork format forward freeze gather generate get grab grow guess handle hash hide highlight
    identify ignore implement import increase increment index infer inform inherit init initialize inject insert inspect
    install integrate interpolate intersect introduce invalidate inverse invert invoke issue iterate join jump keep kill
    label launch learn leave limit link list listen load locate lock log look lower make manage map mark mask match
    maximize measure merge migrate minimize mirror mock modify monitor mount move multiply mutate negate normalize
    notify observe obtain offset open optimize order organize override overwrite pack pad paint parse partition pass
    paste patch pause peek perform permute persist pick ping place plan play plot plug point poll pop populate
    post predict prefetch prepare prepend preprocess preserve press print probe process produce project promote
    propagate prune publish pull purge push put query queue quit quote raise randomize rank reach read rebuild
    recalculate receive recognize reconnect record recover redirect redo reduce refactor refresh refuse register
    reject relabel release reload remember remove rename render reorder repair repeat replace replay replicate reply
    report request require reset reshape resize resolve respond restart restore restrict resume retain retrieve retry
    return reuse reverse revert review revoke rewind rewrite rollback rotate round route run sample sanitize save scale
    scan schedule score scrape scroll search seed seek select send separate serialize serve set setup share shift show
    shuffle shutdown shrink sign simplify simulate skip slice smooth solve sort spawn specify split squash stack start
    step stop store stream stringify strip submit subscribe substitute subtract sum summarize supply suppress swap
    switch sync synchronize take teardown terminate test tie toggle tokenize touch trace track train transfer transform
    translate transpose traverse trigger trim truncate try tune turn undo unescape uninstall union unlink unload unlock
    unpack unregister unsubscribe unwrap update upgrade upload use validate verify view visit visualize wait walk warn
    watch wrap write yield zip
"""
VERBS = frozenset(_TEXT.split())
_SPELT_OUT = {
    "setup": "set up",
    "cleanup": "clean up",
    "teardown": "tear down",
    "shutdown": "shut down",
    "init": "initialize",
}


def imperative(word: str) -> str:
    """The verb as a sentence has it: "setup" is a noun."""
    return _SPELT_OUT.get(word, word)
