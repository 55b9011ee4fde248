"""What people do with tags: one file for each verb.

The verbs that read one file know ``htp.file`` and stand below ``TaggedModel``, whose methods call
them; none of them needs torch.
"""
